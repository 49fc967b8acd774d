package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/klog/v2"
)

const (
	superviseName  = "supervise"
	startTimeout   = 2 * time.Minute
	resultFD       = 3 // where a detached supervisor tells `up` how the start went
	resultPrepared = "ready"
)

func init() {
	// Pdeathsig is bound to the thread that starts a child: the supervisor stays on the main one, which
	// lives as long as the process.
	runtime.LockOSThread()
}

// up starts a cluster and returns when it is ready; in the foreground it returns when the cluster ended.
func up(options Options) error {
	if options.Foreground {
		return supervise(options)
	}
	started := time.Now()
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program's own file: %w", err)
	}
	result, report, err := os.Pipe()
	if err != nil {
		return err
	}
	command := exec.Command(self, superviseName, "--dir", options.Dir, "--port", fmt.Sprint(options.Port),
		"--nodes", fmt.Sprint(options.Nodes), "--gpus-per-node", fmt.Sprint(options.GPUsPerNode))
	command.ExtraFiles = []*os.File{report}
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return fmt.Errorf("start the supervisor: %w", err)
	}
	report.Close()
	answer, err := io.ReadAll(result)
	if err != nil {
		return fmt.Errorf("wait for the supervisor: %w", err)
	}
	switch text := string(answer); text {
	case resultPrepared:
		running := layout(options.Dir).runningProcess()
		fmt.Printf("Kubernetes %s is ready at %s (%d nodes, %.1f s)\nexport KUBECONFIG=%s\n", kubernetesVersion(),
			running.Server, options.Nodes, time.Since(started).Seconds(), layout(options.Dir).kubeconfig())
		return nil
	case "":
		return fmt.Errorf("the supervisor died while starting: see %s", layout(options.Dir).log("devcluster"))
	default:
		return errors.New(text)
	}
}

// down stops the cluster of a directory, if one runs, and removes what it wrote.
func down(dir string) error {
	files := layout(dir)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if files.inUse() {
		told := false
		for deadline := time.Now().Add(30 * time.Second); files.inUse(); time.Sleep(20 * time.Millisecond) {
			supervisor := files.runningProcess().PID
			if time.Now().After(deadline) {
				return fmt.Errorf("the cluster in %s (pid %d) does not end", dir, supervisor)
			}
			// The lock is held, so the number in the marker is still the supervisor's.
			if !told && supervisor > 0 {
				if err := syscall.Kill(supervisor, syscall.SIGTERM); err != nil {
					return fmt.Errorf("end the cluster in %s (pid %d): %w", dir, supervisor, err)
				}
				told = true
			}
		}
	} else if _, err := os.Stat(files.marker()); err != nil && files.firstStranger() != "" {
		return nil // nothing of ours
	}
	if err := files.removeData(); err != nil {
		return fmt.Errorf("remove the files of the cluster: %w", err)
	}
	if err := os.RemoveAll(files.path("logs")); err != nil {
		return fmt.Errorf("remove the logs of the cluster: %w", err)
	}
	_ = os.Remove(dir) // only when nothing else is in it
	return nil
}

// ask sends one command to the supervisor of a directory and waits for its answer.
func ask(dir, command string, timeout time.Duration) error {
	connection, err := layout(dir).dial("control.sock")
	if err != nil {
		return fmt.Errorf("no cluster runs in %s: start one with `devcluster up --dir %s`", dir, dir)
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(timeout))
	if _, err := fmt.Fprintln(connection, command); err != nil {
		return fmt.Errorf("ask the cluster in %s: %w", dir, err)
	}
	answer, err := io.ReadAll(connection)
	if err != nil {
		return fmt.Errorf("wait for the cluster in %s: %w", dir, err)
	}
	if text := strings.TrimSpace(string(answer)); text != "ok" {
		return errors.New(text)
	}
	return nil
}

// child is one running component.
type child struct {
	name    string
	command *exec.Cmd
}

// request is a command that arrived on the control socket, with the way to answer it.
type request struct {
	command string
	answer  func(error)
}

// cluster is the supervisor's state. Only the main goroutine touches it.
type cluster struct {
	Options
	files    layout
	self     string
	children map[string]*child
	deaths   chan *child
	requests chan request
	kwokPort int
}

// supervise runs a cluster until it is told to stop, its parent ends or one of its components dies.
func supervise(options Options) (err error) {
	ready := false
	report := func(error) {}
	if options.Foreground {
		report = func(err error) {
			if ready {
				fmt.Println(resultPrepared, layout(options.Dir).kubeconfig())
			}
		}
	} else {
		signal.Ignore(syscall.SIGHUP)
		pipe := os.NewFile(resultFD, "result")
		syscall.CloseOnExec(resultFD)
		report = func(err error) {
			text := resultPrepared
			if err != nil {
				text = err.Error()
			} else if !ready {
				text = "the cluster was told to end while it started"
			}
			fmt.Fprint(pipe, text)
			pipe.Close()
		}
	}

	files := layout(options.Dir)
	lock, err := files.claim()
	if err != nil {
		report(err)
		return err
	}
	defer lock.Close()
	c := &cluster{Options: options, files: files, children: map[string]*child{},
		deaths: make(chan *child, 8), requests: make(chan request)}
	ending := make(chan os.Signal, 2)
	signal.Notify(ending, syscall.SIGINT, syscall.SIGTERM)
	if options.Foreground {
		if err := watchParent(ending); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer func() {
		if err != nil {
			klog.Errorln(err)
			klog.Flush()
		}
		c.killAll()
		if cleanup := files.removeData(); err == nil {
			err = cleanup
		}
		if !ready {
			report(err)
		}
	}()

	if ready, err = c.start(ctx, ending); !ready {
		return err
	}
	report(nil)
	for {
		select {
		case <-ending:
			return nil
		case dead := <-c.deaths:
			if c.children[dead.name] == dead {
				return c.describeDeath(dead)
			}
		case r := <-c.requests:
			switch r.command {
			case "stop-api":
				c.kill(apiServerName)
				r.answer(nil)
			case "start-api":
				ended, err := c.startAPIAgain(ctx, ending)
				r.answer(err)
				if ended {
					return nil
				}
			default:
				r.answer(fmt.Errorf("unknown command %q", r.command))
			}
		}
	}
}

// start brings everything up. It returns false without an error when it was told to end meanwhile.
func (c *cluster) start(ctx context.Context, ending <-chan os.Signal) (bool, error) {
	if err := c.prepare(); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := c.spawn(etcdName, c.etcdArgs()); err != nil {
		return false, err
	}
	ready := make(chan error, 1)
	go func() { ready <- c.waitForSocket(ctx, "etcd.sock") }()
	if ok, err := c.await(ready, ending); !ok || err != nil {
		return false, err
	}
	if err := c.spawn(apiServerName, c.apiServerArgs()); err != nil {
		return false, err
	}
	client, err := newClient(c.files.kubeconfig())
	if err != nil {
		return false, err
	}
	go func() { ready <- waitForAPI(ctx, client) }()
	if ok, err := c.await(ready, ending); !ok || err != nil {
		return false, err
	}
	for _, component := range c.controllers() {
		if err := c.spawn(component.name, component.args); err != nil {
			return false, err
		}
	}
	go func() { ready <- populate(ctx, client, c.Options) }()
	if ok, err := c.await(ready, ending); !ok || err != nil {
		return false, err
	}
	go provisionVolumes(client)
	go writePodLog(c.files.log("pods"))
	listener, err := c.files.listenControl()
	if err != nil {
		return false, fmt.Errorf("listen for commands in %s: %w", c.Dir, err)
	}
	go c.serveControl(listener)
	return true, nil
}

// await waits for a step of the start, the death of a component or the order to end.
func (c *cluster) await(step <-chan error, ending <-chan os.Signal) (bool, error) {
	select {
	case err := <-step:
		return err == nil, err
	case dead := <-c.deaths:
		return false, c.describeDeath(dead)
	case <-ending:
		return false, nil
	}
}

// prepare writes the files that the components read, and chooses the ports.
func (c *cluster) prepare() error {
	if c.Port == 0 {
		c.Port = freePort()
	} else if err := checkPort(c.Port); err != nil {
		return err
	}
	for c.kwokPort = freePort(); c.kwokPort == c.Port; {
		c.kwokPort = freePort()
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program's own file: %w", err)
	}
	c.self = self
	// A cluster that was killed leaves its data behind. Every start is a fresh one.
	for _, name := range owned {
		if name != "lock" {
			if err := os.RemoveAll(c.files.path(name)); err != nil {
				return fmt.Errorf("remove the rest of an earlier cluster: %w", err)
			}
		}
	}
	if err := os.RemoveAll(c.files.path("logs")); err != nil {
		return fmt.Errorf("remove the logs of an earlier cluster: %w", err)
	}
	if err := os.MkdirAll(c.files.path("logs"), 0o755); err != nil {
		return err
	}
	log, err := os.Create(c.files.log("devcluster"))
	if err != nil {
		return err
	}
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	klog.SetOutputBySeverity("INFO", log) // which every line is written to
	server := fmt.Sprintf("https://127.0.0.1:%d", c.Port)
	marker, err := json.Marshal(process{PID: os.Getpid(), Server: server})
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.files.marker(), marker, 0o644); err != nil {
		return err
	}
	authority, admin, err := writePKI(c.files.path("pki"))
	if err != nil {
		return err
	}
	if err := writeKubeconfig(c.files.kubeconfig(), server, authority, admin); err != nil {
		return err
	}
	return writeKwokConfig(c.files)
}

// component is a name together with its arguments.
type component struct {
	name string
	args []string
}

// controllers are the clients of the API server.
func (c *cluster) controllers() []component {
	return []component{
		{controllerManagerName, c.controllerManagerArgs()},
		{schedulerName, c.schedulerArgs()},
		{kwokName, c.kwokArgs()},
	}
}

func (c *cluster) etcdArgs() []string {
	return []string{c.files.path("etcd"), "unix://etcd.sock"}
}

func (c *cluster) apiServerArgs() []string {
	return []string{
		"--etcd-servers=unix://etcd.sock",
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", c.Port),
		"--advertise-address=192.0.2.1", // loopback is refused; nothing ever connects to it
		"--endpoint-reconciler-type=none",
		"--tls-cert-file=" + c.files.pki("server.crt"),
		"--tls-private-key-file=" + c.files.pki("server.key"),
		"--client-ca-file=" + c.files.pki("ca.crt"),
		"--service-account-key-file=" + c.files.pki("service-accounts.pub"),
		"--service-account-signing-key-file=" + c.files.pki("service-accounts.key"),
		"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
		"--authorization-mode=RBAC",
		"--service-cluster-ip-range=10.96.0.0/16",
		"--kubelet-preferred-address-types=InternalIP",
		"--allow-privileged",
		"--profiling=false",
	}
}

func (c *cluster) controllerManagerArgs() []string {
	return []string{
		"--kubeconfig=" + c.files.kubeconfig(),
		"--leader-elect=false",
		"--secure-port=0",
		"--service-account-private-key-file=" + c.files.pki("service-accounts.key"),
		"--root-ca-file=" + c.files.pki("ca.crt"),
		"--cluster-signing-cert-file=" + c.files.pki("ca.crt"),
		"--cluster-signing-key-file=" + c.files.pki("ca.key"),
		"--node-monitor-grace-period=5m", // nodes survive an API server that is away for a while
		"--kube-api-qps=300", "--kube-api-burst=600",
		"--profiling=false",
	}
}

func (c *cluster) schedulerArgs() []string {
	return []string{
		"--kubeconfig=" + c.files.kubeconfig(),
		"--leader-elect=false",
		"--secure-port=0",
		"--kube-api-qps=300", "--kube-api-burst=600",
		"--profiling=false",
	}
}

func (c *cluster) kwokArgs() []string {
	return []string{
		"--config=" + c.files.path("kwok.yaml"),
		"--kubeconfig=" + c.files.kubeconfig(),
		"--manage-all-nodes=true",
		"--node-lease-duration-seconds=40",
		"--cidr=10.64.0.1/14",
		"--node-ip=127.0.0.1",
		fmt.Sprintf("--node-port=%d", c.kwokPort),
		fmt.Sprintf("--server-address=127.0.0.1:%d", c.kwokPort),
		"--tls-cert-file=" + c.files.pki("server.crt"),
		"--tls-private-key-file=" + c.files.pki("server.key"),
	}
}

// spawn starts a component that dies with this process, whatever ends it.
func (c *cluster) spawn(name string, args []string) error {
	log, err := os.OpenFile(c.files.log(name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("open the log of %s: %w", name, err)
	}
	defer log.Close()
	command := exec.Command(c.self, append([]string{name}, args...)...)
	command.Dir = c.Dir // etcd's socket is named relative to it
	// Collecting garbage less often makes a small cluster a quarter faster; the caller's own values win.
	command.Env = append([]string{"GOGC=400", "GOMEMLIMIT=1500MiB"}, append(os.Environ(), "HOME="+c.Dir)...)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := command.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	started := &child{name, command}
	c.children[name] = started
	go func() {
		_ = command.Wait()
		c.deaths <- started
	}()
	return nil
}

// kill ends a component at once: the data is thrown away or, for the API server, kept by etcd.
func (c *cluster) kill(name string) {
	if running := c.children[name]; running != nil {
		delete(c.children, name)
		_ = running.command.Process.Kill()
		for dead := range c.deaths {
			if dead == running {
				return
			}
			if c.children[dead.name] == dead {
				c.deaths <- dead
			}
		}
	}
}

func (c *cluster) killAll() {
	waiting := len(c.children)
	for _, running := range c.children {
		_ = running.command.Process.Kill()
	}
	for timeout := time.After(10 * time.Second); waiting > 0; waiting-- {
		select {
		case <-c.deaths:
		case <-timeout:
			return
		}
	}
}

// startAPIAgain starts the API server after it was stopped. The controllers are started anew as well: after
// an absence their watches would wait up to half a minute before they look again. It tells whether it was
// told to end meanwhile.
func (c *cluster) startAPIAgain(ctx context.Context, ending <-chan os.Signal) (bool, error) {
	if c.children[apiServerName] != nil {
		return false, nil
	}
	if err := c.spawn(apiServerName, c.apiServerArgs()); err != nil {
		return false, err
	}
	client, err := newClient(c.files.kubeconfig())
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, 50*time.Second)
	defer cancel()
	ready := make(chan error, 1)
	go func() { ready <- waitForAPI(ctx, client) }()
	if ok, err := c.await(ready, ending); !ok || err != nil {
		return err == nil, err
	}
	for _, component := range c.controllers() {
		c.kill(component.name)
		if err := c.spawn(component.name, component.args); err != nil {
			return false, err
		}
	}
	return false, nil
}

func (c *cluster) describeDeath(dead *child) error {
	delete(c.children, dead.name)
	path := c.files.log(dead.name)
	return fmt.Errorf("%s died (%s); the end of its log %s:\n%s", dead.name, dead.command.ProcessState, path, logTail(path, 15))
}

func (c *cluster) waitForSocket(ctx context.Context, name string) error {
	for {
		if connection, err := c.files.dial(name); err == nil {
			return connection.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("etcd does not listen; the end of its log %s:\n%s", c.files.log(etcdName), logTail(c.files.log(etcdName), 15))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (c *cluster) serveControl(listener net.Listener) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			line, err := bufio.NewReader(connection).ReadString('\n')
			if err != nil {
				connection.Close()
				return
			}
			c.requests <- request{strings.TrimSpace(line), func(err error) {
				if err == nil {
					err = errors.New("ok")
				}
				fmt.Fprintln(connection, err)
				connection.Close()
			}}
		}()
	}
}

// watchParent asks for the end when the parent process ends. Pdeathsig would tie us to the parent's
// thread, which in a test runner is shorter-lived than the process.
func watchParent(ending chan<- os.Signal) error {
	parent := os.Getppid()
	if parent <= 1 {
		return nil
	}
	fd, err := unix.PidfdOpen(parent, 0)
	if errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("the parent process %d has ended", parent)
	}
	if err != nil {
		return fmt.Errorf("watch the parent process %d: %w", parent, err)
	}
	go func() {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		for {
			if n, err := unix.Poll(poll, -1); n > 0 || (err != nil && !errors.Is(err, unix.EINTR)) {
				ending <- syscall.SIGTERM
				return
			}
		}
	}()
	return nil
}

// freePort returns a free port below the range from which the system takes the ports of outgoing
// connections, so that none of them can take it before the component listens.
func freePort() int {
	for range 200 {
		if port := 20000 + rand.IntN(12000); checkPort(port) == nil {
			return port
		}
	}
	return 0
}

func checkPort(port int) error {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("port %d of 127.0.0.1 is taken: choose another with --port, or leave it out", port)
	}
	if err != nil {
		return fmt.Errorf("port %d of 127.0.0.1 cannot be used: %w", port, err)
	}
	return listener.Close()
}
