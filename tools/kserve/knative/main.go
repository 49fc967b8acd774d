// Command knative runs the controllers of Knative Serving and its autoscaler for the class
// hpa.autoscaling.knative.dev in one process, as they are: their own main programs listen on every interface, this one
// on none. No gateway runs beside it, so that a stand-in says of each Ingress that the network is programmed; nothing of
// Knative's own decisions is replaced.
package main

import (
	"context"
	"log"

	"k8s.io/client-go/tools/cache"
	"knative.dev/networking/pkg/apis/networking/v1alpha1"
	networking "knative.dev/networking/pkg/client/injection/client"
	"knative.dev/networking/pkg/client/injection/informers/networking/v1alpha1/ingress"
	"knative.dev/pkg/controller"
	"knative.dev/pkg/injection"
	"knative.dev/pkg/injection/sharedmain"
	"knative.dev/pkg/logging"
	"knative.dev/pkg/signals"
	"knative.dev/serving/pkg/reconciler/autoscaling/hpa"
	"knative.dev/serving/pkg/reconciler/configuration"
	"knative.dev/serving/pkg/reconciler/gc"
	"knative.dev/serving/pkg/reconciler/labeler"
	"knative.dev/serving/pkg/reconciler/revision"
	"knative.dev/serving/pkg/reconciler/route"
	"knative.dev/serving/pkg/reconciler/serverlessservice"
	"knative.dev/serving/pkg/reconciler/service"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func main() {
	ctx := signals.NewContext()
	config := injection.ParseAndGetRESTConfigOrDie()
	config.QPS, config.Burst = 200, 400
	ctx, startInformers := injection.EnableInjectionOrDie(ctx, config)
	logger, _ := sharedmain.SetupLoggerOrDie(ctx, "knative")
	ctx = logging.WithLogger(ctx, logger)
	settings := sharedmain.SetupConfigMapWatchOrDie(ctx, logger)
	controllers, _ := sharedmain.ControllersAndWebhooksFromCtors(ctx, settings,
		configuration.NewController,
		labeler.NewController,
		revision.NewController,
		route.NewController,
		serverlessservice.NewController,
		service.NewController,
		gc.NewController,
		hpa.NewController,
	)
	program(ctx)
	if err := settings.Start(ctx.Done()); err != nil {
		log.Fatalf("cannot read the settings: %v", err)
	}
	startInformers()
	if err := controller.StartAll(ctx, controllers...); err != nil {
		log.Fatalf("a controller ended: %v", err)
	}
}

// program says of each Ingress that the network does what it asks for.
func program(ctx context.Context) {
	settle := func(object any) {
		live, ok := object.(*v1alpha1.Ingress)
		if !ok || live.IsReady() {
			return
		}
		settled := live.DeepCopy()
		settled.Status.InitializeConditions()
		settled.Status.MarkNetworkConfigured()
		balancers := []v1alpha1.LoadBalancerIngressStatus{{DomainInternal: "gateway.example"}}
		settled.Status.MarkLoadBalancerReady(balancers, balancers)
		settled.Status.ObservedGeneration = live.Generation
		client := networking.Get(ctx).NetworkingV1alpha1().Ingresses(live.Namespace)
		// One that lost against another write is seen again.
		if _, err := client.UpdateStatus(ctx, settled, metav1.UpdateOptions{}); err != nil {
			logging.FromContext(ctx).Infow("An Ingress was not settled", "ingress", live.Name, "error", err)
		}
	}
	_, err := ingress.Get(ctx).Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    settle,
		UpdateFunc: func(_, now any) { settle(now) },
	})
	if err != nil {
		log.Fatalf("cannot watch Ingresses: %v", err)
	}
}
