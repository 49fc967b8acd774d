package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"k8s.io/component-base/version"
)

// layout names the files of one cluster's directory.
type layout string

func (l layout) path(names ...string) string {
	return filepath.Join(append([]string{string(l)}, names...)...)
}
func (l layout) kubeconfig() string     { return l.path("kubeconfig") }
func (l layout) pki(name string) string { return l.path("pki", name) }
func (l layout) log(name string) string { return l.path("logs", name+".log") }
func (l layout) lock() string           { return l.path("lock") }
func (l layout) marker() string         { return l.path("devcluster.json") }

// owned lists everything a cluster writes into its directory, besides its logs.
var owned = []string{"kubeconfig", "pki", "etcd", "etcd.sock", "control.sock", "kwok.yaml", "devcluster.json", "lock"}

// removeData deletes what a cluster wrote, but not its logs and nothing else.
func (l layout) removeData() error {
	var problems []error
	for _, name := range owned {
		problems = append(problems, os.RemoveAll(l.path(name)))
	}
	return errors.Join(problems...)
}

// process is what the marker file says about the cluster that runs in a directory.
type process struct {
	PID    int    `json:"pid"`
	Server string `json:"server"`
}

func (l layout) runningProcess() process {
	var running process
	if content, err := os.ReadFile(l.marker()); err == nil {
		_ = json.Unmarshal(content, &running)
	}
	return running
}

// claim makes the directory this process's own for as long as the returned file stays open.
func (l layout) claim() (*os.File, error) {
	if err := os.MkdirAll(string(l), 0o755); err != nil {
		return nil, fmt.Errorf("create the directory %s: %w", l, err)
	}
	if _, err := os.Stat(l.marker()); errors.Is(err, os.ErrNotExist) {
		if stranger := l.firstStranger(); stranger != "" {
			return nil, fmt.Errorf("the directory %s holds files of something else (%s): choose an empty or new one", l, stranger)
		}
	}
	lock, err := os.OpenFile(l.lock(), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", l.lock(), err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("the directory %s is in use by a running cluster (pid %d): stop it with `devcluster down --dir %s` or choose another directory",
			l, l.runningProcess().PID, l)
	}
	return lock, nil
}

// inUse tells whether a running cluster holds the directory.
func (l layout) inUse() bool {
	lock, err := os.OpenFile(l.lock(), os.O_RDWR, 0)
	if err != nil {
		return false
	}
	defer lock.Close()
	return syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil
}

func (l layout) firstStranger() string {
	entries, _ := os.ReadDir(string(l))
	for _, entry := range entries {
		known := entry.Name() == "logs"
		for _, name := range owned {
			known = known || name == entry.Name()
		}
		if !known {
			return entry.Name()
		}
	}
	return ""
}

// shortPath runs f with a short name for a file of the directory: the path of a Unix socket has room for
// 107 bytes only.
func (l layout) shortPath(name string, f func(path string) error) error {
	dir, err := os.Open(string(l))
	if err != nil {
		return err
	}
	defer dir.Close()
	return f(fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), name))
}

func (l layout) listenControl() (listener net.Listener, err error) {
	err = l.shortPath("control.sock", func(path string) error {
		_ = os.Remove(path)
		unix, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err == nil {
			unix.SetUnlinkOnClose(false) // the short name is gone by then
			listener = unix
		}
		return err
	})
	return listener, err
}

func (l layout) dial(name string) (connection net.Conn, err error) {
	err = l.shortPath(name, func(path string) error {
		connection, err = net.Dial("unix", path)
		return err
	})
	return connection, err
}

// logTail returns the last lines of a log, for the message about a component that died.
func logTail(path string, lines int) string {
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Sprintf("(cannot read it: %v)", err)
	}
	all := strings.Split(strings.TrimRight(string(content), "\n"), "\n")
	if len(all) > lines {
		all = all[len(all)-lines:]
	}
	return "  " + strings.Join(all, "\n  ")
}

func kubernetesVersion() string { return version.Get().GitVersion }
