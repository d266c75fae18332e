package learn

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/awslabs/operatorpkg/reconciler"
	"github.com/awslabs/operatorpkg/singleton"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/karpenter-oke/karpenter-oke/pkg/providers/learned"
)

const (
	// ConfigMapName is the ConfigMap in the controller's namespace that keeps what was learned; DataKey is the key in it.
	ConfigMapName = "karpenter-oke-learned-capacity"
	DataKey       = "figures.json"

	// storeInterval is how often changes are looked for. What a crash loses in between is still to be seen on the nodes.
	storeInterval = 2 * time.Second
)

// document is what DataKey holds.
type document struct {
	Version int             `json:"version"`
	Entries []learned.Entry `json:"entries"`
}

// documentVersion changes when old entries would be misread. Others are ignored: everything can be learned anew.
const documentVersion = 1

// Load restores what was stored. reader must not be a cache: the ConfigMap is not worth a watch. That there is none is no error, and
// neither is one that can not be read; it is replaced in time.
func Load(ctx context.Context, reader client.Reader, namespace string, store *learned.Store) error {
	if namespace == "" {
		return nil
	}
	stored := &corev1.ConfigMap{}
	if err := reader.Get(ctx, client.ObjectKey{Namespace: namespace, Name: ConfigMapName}, stored); err != nil {
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("reading ConfigMap %s/%s: %w", namespace, ConfigMapName, err)
	}
	found := document{}
	if err := json.Unmarshal([]byte(stored.Data[DataKey]), &found); err != nil || found.Version != documentVersion {
		log.FromContext(ctx).Info("ignoring a ConfigMap that can not be read", "ConfigMap", namespace+"/"+ConfigMapName, "version", found.Version, "error", fmt.Sprint(err))
		return nil
	}
	if refused := store.Restore(found.Entries); refused > 0 {
		log.FromContext(ctx).Info("ignoring entries that make no sense", "ConfigMap", namespace+"/"+ConfigMapName, "entries", refused)
	}
	return nil
}

// StoreController keeps the ConfigMap up to date. It runs on the leader only, and reads what an earlier leader stored before it writes.
type StoreController struct {
	writer    client.Client
	reader    client.Reader
	namespace string
	store     *learned.Store

	loaded bool
	stored uint64 // revision
	shapes map[string]bool
}

// NewStoreController makes the controller; without a namespace it stores nothing. reader must not be a cache.
func NewStoreController(writer client.Client, reader client.Reader, namespace string, store *learned.Store) *StoreController {
	return &StoreController{writer: writer, reader: reader, namespace: namespace, store: store, shapes: map[string]bool{}}
}

// Name is the controller's name in logs and metrics.
func (c *StoreController) Name() string { return "learn.store" }

// Register adds the controller to a manager.
func (c *StoreController) Register(_ context.Context, m manager.Manager) error {
	return controllerruntime.NewControllerManagedBy(m).
		Named(c.Name()).
		WatchesRawSource(singleton.Source()).
		Complete(singleton.AsReconciler(c))
}

// Reconcile stores what has changed.
func (c *StoreController) Reconcile(ctx context.Context) (reconciler.Result, error) {
	if !c.loaded {
		if err := Load(ctx, c.reader, c.namespace, c.store); err != nil {
			return reconciler.Result{}, err
		}
		c.loaded = true
		c.measure(c.store.Entries())
	}
	revision := c.store.Revision()
	if revision == c.stored {
		return reconciler.Result{RequeueAfter: storeInterval}, nil
	}
	entries := c.store.Entries()
	c.measure(entries)
	if err := c.write(ctx, entries); err != nil {
		return reconciler.Result{}, err
	}
	c.stored = revision
	return reconciler.Result{RequeueAfter: storeInterval}, nil
}

func (c *StoreController) write(ctx context.Context, entries []learned.Entry) error {
	if c.namespace == "" {
		return nil
	}
	body, err := json.Marshal(document{Version: documentVersion, Entries: entries})
	if err != nil {
		return fmt.Errorf("encoding what was learned: %w", err)
	}
	stored := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: c.namespace, Name: ConfigMapName}}
	err = c.reader.Get(ctx, client.ObjectKeyFromObject(stored), stored)
	switch {
	case apierrors.IsNotFound(err):
		stored.Data = map[string]string{DataKey: string(body)}
		err = c.writer.Create(ctx, stored)
	case err == nil && stored.Data[DataKey] != string(body):
		stored.Data = map[string]string{DataKey: string(body)}
		err = c.writer.Update(ctx, stored)
	}
	if err != nil {
		return fmt.Errorf("storing what was learned in ConfigMap %s/%s: %w", c.namespace, ConfigMapName, err)
	}
	return nil
}

// measure sets the gauges; a shape of which nothing is known any more goes to 0.
func (c *StoreController) measure(entries []learned.Entry) {
	worst := map[string]int64{}
	for shape := range c.shapes {
		worst[shape] = 0
	}
	for i := range entries {
		c.shapes[entries[i].Shape] = true
		worst[entries[i].Shape] = max(worst[entries[i].Shape], entries[i].Memory+entries[i].Rest.Memory)
	}
	for shape, bytes := range worst {
		shortfallGauge.Set(float64(bytes), map[string]string{labelShape: shape})
	}
	entriesGauge.Set(float64(len(entries)), nil)
}
