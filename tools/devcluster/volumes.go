package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// provisioner is the name under which this process makes volumes, as an external provisioner does: one
// PersistentVolume per claim of its class, deleted when it is released. No process reads or writes them,
// so no directory is made.
const (
	provisioner              = "devcluster.driftless.dev/hostpath"
	claimProvisioner         = "volume.kubernetes.io/storage-provisioner"
	volumeProvisionedBy      = "pv.kubernetes.io/provisioned-by"
	volumeHostPath           = "/var/lib/devcluster/volumes/"
	provisionerRetryInterval = 10 * time.Second
)

// provisionVolumes serves claims for as long as the process lives. A failed write is tried again at the
// informers' next resync.
func provisionVolumes(client *kubernetes.Clientset) {
	factory := informers.NewSharedInformerFactory(client, provisionerRetryInterval)
	on := func(handle func(object any) error) cache.ResourceEventHandler {
		try := func(object any) {
			if err := handle(object); err != nil {
				klog.ErrorS(err, "Volume not provisioned or deleted")
			}
		}
		return cache.ResourceEventHandlerFuncs{AddFunc: try, UpdateFunc: func(_, object any) { try(object) }}
	}
	core := factory.Core().V1()
	_, claims := core.PersistentVolumeClaims().Informer().AddEventHandler(on(func(object any) error {
		return provision(client, object.(*corev1.PersistentVolumeClaim))
	}))
	_, volumes := core.PersistentVolumes().Informer().AddEventHandler(on(func(object any) error {
		return deleteReleased(client, object.(*corev1.PersistentVolume))
	}))
	if claims != nil || volumes != nil {
		klog.ErrorS(claims, "Volumes are not served", "volumes", volumes)
	}
	factory.Start(nil)
}

// provision makes the volume of a claim that the volume controller handed to this provisioner.
func provision(client *kubernetes.Clientset, claim *corev1.PersistentVolumeClaim) error {
	if claim.Status.Phase != corev1.ClaimPending || claim.Spec.VolumeName != "" ||
		claim.Annotations[claimProvisioner] != provisioner || claim.Spec.StorageClassName == nil {
		return nil
	}
	name := "pvc-" + string(claim.UID)
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name:        name,
			Annotations: map[string]string{volumeProvisionedBy: provisioner},
		},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      claim.Spec.Resources.Requests,
			AccessModes:                   claim.Spec.AccessModes,
			VolumeMode:                    claim.Spec.VolumeMode,
			StorageClassName:              *claim.Spec.StorageClassName,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				HostPath: &corev1.HostPathVolumeSource{Path: volumeHostPath + name},
			},
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
		},
	}
	_, err := client.CoreV1().PersistentVolumes().Create(context.Background(), volume, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create the volume of claim %s/%s: %w", claim.Namespace, claim.Name, err)
	}
	return nil
}

// deleteReleased deletes a volume of ours whose claim is gone.
func deleteReleased(client *kubernetes.Clientset, volume *corev1.PersistentVolume) error {
	if volume.Status.Phase != corev1.VolumeReleased || volume.Annotations[volumeProvisionedBy] != provisioner ||
		volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete || volume.DeletionTimestamp != nil {
		return nil
	}
	err := client.CoreV1().PersistentVolumes().Delete(context.Background(), volume.Name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("delete volume %s: %w", volume.Name, err)
	}
	return nil
}
