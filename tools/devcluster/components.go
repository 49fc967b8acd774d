package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // CronJob time zones

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kwokconfig "sigs.k8s.io/kwok/pkg/config"
	kwok "sigs.k8s.io/kwok/pkg/kwok/cmd"
	kwoklog "sigs.k8s.io/kwok/pkg/log"
)

// The names by which this binary starts itself again. Each component owns its process: they all install
// the process-wide signal handler, flag set and logging configuration.
const (
	etcdName              = "etcd"
	apiServerName         = "kube-apiserver"
	controllerManagerName = "kube-controller-manager"
	schedulerName         = "kube-scheduler"
	kwokName              = "kwok"
)

// runComponent becomes the named component; false when the name is none of them.
func runComponent(name string, args []string) bool {
	var command *cobra.Command
	switch name {
	case etcdName:
		exitWith(runEtcd(args))
	case kwokName:
		exitWith(runKwok(args))
	case apiServerName:
		command = apiserver.NewAPIServerCommand()
	case controllerManagerName:
		command = controllermanager.NewControllerManagerCommand()
	case schedulerName:
		command = scheduler.NewSchedulerCommand()
	default:
		return false
	}
	os.Args = append([]string{name}, args...)
	os.Exit(cli.Run(command))
	return true
}

// runEtcd serves one member on a Unix socket in the working directory. The cluster is thrown away after
// use, so nothing is synced to disk.
func runEtcd(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("etcd: want the data directory and the client URL, got %q", args)
	}
	cfg := embed.NewConfig()
	cfg.Dir = args[0]
	client, err := url.Parse(args[1])
	if err != nil {
		return fmt.Errorf("etcd: client URL %q: %w", args[1], err)
	}
	// Port 0: no other member will ever ask.
	peer := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	cfg.ListenClientUrls = []url.URL{*client}
	cfg.AdvertiseClientUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	cfg.ListenPeerUrls = []url.URL{peer}
	cfg.AdvertisePeerUrls = []url.URL{peer}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.UnsafeNoFsync = true
	cfg.QuotaBackendBytes = 8 << 30
	cfg.LogLevel = "warn"
	cfg.LogOutputs = []string{"stderr"}
	server, err := embed.StartEtcd(cfg)
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	defer server.Close()

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	select {
	case err := <-server.Err():
		return fmt.Errorf("etcd: %w", err)
	case <-stop:
		return nil
	}
}

// runKwok is KWOK's own entry point, whose main package cannot be imported.
func runKwok(args []string) error {
	os.Args = append([]string{kwokName}, args...)
	// Kubernetes registers a --version of its own here, which cobra would hand to KWOK's command.
	pflag.CommandLine = pflag.NewFlagSet(kwokName, pflag.ContinueOnError)
	flags := pflag.NewFlagSet("global", pflag.ContinueOnError)
	flags.ParseErrorsAllowlist.UnknownFlags = true
	flags.Usage = func() {}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	ctx, _ = kwoklog.InitFlags(ctx, flags)
	ctx, err := kwokconfig.InitFlags(ctx, flags)
	if err != nil {
		return fmt.Errorf("kwok: read the configuration: %w", err)
	}
	command := kwok.NewCommand(ctx)
	command.PersistentFlags().AddFlagSet(flags)
	return command.ExecuteContext(ctx)
}

func exitWith(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
