// Command devcluster runs a real Kubernetes control plane with KWOK nodes on loopback, for tests, the demo
// and benchmarks. One binary holds etcd, the API server, the controller manager, the scheduler and KWOK;
// it starts itself once per component.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

const usage = `devcluster runs a real Kubernetes control plane with simulated (KWOK) nodes on 127.0.0.1.

usage:
  devcluster up        --dir D [--port P] [--nodes N] [--gpus-per-node G] [--foreground]
  devcluster down      --dir D
  devcluster stop-api  --dir D    stop only the API server
  devcluster start-api --dir D    start it again, wait until it is ready
  devcluster kubectl   ARGS…      kubectl of the same version (give it --kubeconfig D/kubeconfig)
  devcluster version

"up" returns when the API is ready and every node is Ready; D/kubeconfig is then the administrator's.
With --foreground it stays, prints "ready" when it is, and ends (with everything it started) together
with the process that started it. Logs are in D/logs. Several clusters may run at once.

Pod annotations that change what a simulated pod does (prefix devcluster.driftless.dev/):
  start-delay: 3s      time until the containers run
  run-for: 3s          time until a pod with restartPolicy Never or OnFailure ends (default: at once)
  outcome: fail        such a pod ends as Failed instead of Succeeded
  ready: "false"       the pod runs but never becomes Ready
  waiting: <reason>    the containers never start and wait with this reason (ImagePullBackOff, …)
  stop-delay: 3s       time between the deletion and the end of the pod
`

func main() {
	if len(os.Args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	name, args := os.Args[1], os.Args[2:]
	if runComponent(name, args) {
		return
	}
	if err := run(name, args); err != nil {
		fmt.Fprintln(os.Stderr, "devcluster: "+err.Error())
		if errors.Is(err, errUsage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

var errUsage = errors.New("see devcluster help")

func run(name string, args []string) error {
	switch name {
	case "help", "--help", "-h":
		fmt.Print(usage)
		return nil
	case "version":
		fmt.Println(kubernetesVersion())
		return nil
	case "kubectl":
		kubectl(args)
		return nil
	case "up", superviseName, "down", "stop-api", "start-api":
	default:
		return fmt.Errorf("unknown command %q: %w", name, errUsage)
	}

	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	options := Options{}
	flags.StringVar(&options.Dir, "dir", "", "directory of the cluster")
	if name == "up" || name == superviseName {
		flags.IntVar(&options.Port, "port", 0, "port of the API server (default: a free one)")
		flags.IntVar(&options.Nodes, "nodes", 1, "number of nodes")
		flags.IntVar(&options.GPUsPerNode, "gpus-per-node", 0, "nvidia.com/gpu of each node")
		flags.BoolVar(&options.Foreground, "foreground", false, "stay, and end with the parent process")
	}
	if err := flags.Parse(args); err != nil {
		return errUsage
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q: %w", flags.Arg(0), errUsage)
	}
	if err := options.complete(); err != nil {
		return err
	}
	switch name {
	case "up":
		return up(options)
	case superviseName:
		return supervise(options)
	case "down":
		return down(options.Dir)
	default:
		return ask(options.Dir, name, time.Minute)
	}
}

// Options are the settings of one cluster.
type Options struct {
	Dir         string
	Port        int
	Nodes       int
	GPUsPerNode int
	Foreground  bool
}

func (o *Options) complete() error {
	if o.Dir == "" {
		return fmt.Errorf("--dir is missing: %w", errUsage)
	}
	if o.Port < 0 || o.Port > 65535 {
		return fmt.Errorf("--port %d is not a port: %w", o.Port, errUsage)
	}
	if o.Nodes < 0 || o.GPUsPerNode < 0 {
		return fmt.Errorf("--nodes and --gpus-per-node cannot be negative: %w", errUsage)
	}
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return fmt.Errorf("--dir %s: %w", o.Dir, err)
	}
	o.Dir = dir
	return nil
}
