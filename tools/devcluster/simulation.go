package main

import (
	"embed"
	"fmt"
	"os"
	"strings"
	"time"
)

//go:embed stages/*.yaml
var stageFiles embed.FS

const podLogInterval = 5 * time.Second

// writeKwokConfig joins the stages that say what simulated nodes and pods do, and names the log that
// every simulated container shows.
func writeKwokConfig(files layout) error {
	entries, err := stageFiles.ReadDir("stages")
	if err != nil {
		return err
	}
	documents := []string{fmt.Sprintf(`apiVersion: kwok.x-k8s.io/v1alpha1
kind: ClusterLogs
metadata:
  name: all-containers
spec:
  logs:
  - logsFile: %q
    previousLogsFile: %q
    follow: true
`, files.log("pods"), files.log("pods"))}
	for _, entry := range entries {
		content, err := stageFiles.ReadFile("stages/" + entry.Name())
		if err != nil {
			return err
		}
		documents = append(documents, string(content))
	}
	path := files.path("kwok.yaml")
	if err := os.WriteFile(path, []byte(strings.Join(documents, "---\n")), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return os.WriteFile(files.log("pods"), []byte(podLogLine("Simulated container started: no process runs here")), 0o644)
}

// writePodLog adds a line from time to time, so that following a log shows something.
func writePodLog(path string) {
	log, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return
	}
	defer log.Close()
	for beat := 1; ; beat++ {
		time.Sleep(podLogInterval)
		if _, err := log.WriteString(podLogLine(fmt.Sprintf("Simulated container is alive, beat %d", beat))); err != nil {
			return
		}
	}
}

// podLogLine is in the format of container runtimes.
func podLogLine(text string) string {
	return time.Now().UTC().Format(time.RFC3339Nano) + " stdout F " + text + "\n"
}
