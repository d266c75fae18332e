package registration

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

const (
	// imageFailuresAllowed is how many nodes of a new image may fail, while none has registered, before the class goes back to the image
	// whose nodes do.
	imageFailuresAllowed = 2
	// firstReplacements is how many nodes are replaced for a new image before one of it has registered: its first nodes tell whether the
	// others may follow. Those whose replacement is not heard of for firstReplacementsFor make room for others.
	firstReplacements    = 2
	firstReplacementsFor = 30 * time.Minute
)

// imageRecord is what is known of one image in one class.
type imageRecord struct {
	registered bool
	failed     map[types.UID]bool
	// replaced are the NodeClaims that may be replaced by the image before it has proved itself, and since when.
	replaced map[types.UID]time.Time
}

func (r *record) image(id string) *imageRecord {
	if r.images[id] == nil {
		r.images[id] = &imageRecord{failed: map[types.UID]bool{}, replaced: map[types.UID]time.Time{}}
	}
	return r.images[id]
}

// failImage notes a node of an image that did not register. The image is blamed, and not the class, when nodes of another one of the class's
// images do register and none of its own has; held says that it is to be held back from now on. An image that goes on failing, because the
// class has no other for the machines in question, is the class's trouble again.
func (r *record) failImage(id string, claim types.UID) (blamed, held bool) {
	if id == "" {
		return false, false
	}
	i := r.image(id)
	if i.registered || i.failed[claim] {
		return false, false
	}
	i.failed[claim] = true
	if !r.otherRegistered(id) || len(i.failed) > imageFailuresAllowed {
		return false, false
	}
	return true, len(i.failed) == imageFailuresAllowed
}

func (r *record) otherRegistered(id string) bool {
	for other, i := range r.images {
		if other != id && i.registered {
			return true
		}
	}
	return false
}

// mayReplace says whether a node may be replaced by one of the image now.
func (r *record) mayReplace(id string, claim types.UID, now time.Time) bool {
	i := r.image(id)
	if i.registered {
		return true
	}
	for uid, at := range i.replaced {
		if now.Sub(at) > firstReplacementsFor {
			delete(i.replaced, uid)
		}
	}
	if _, chosen := i.replaced[claim]; !chosen {
		if len(i.replaced) >= firstReplacements {
			return false
		}
		i.replaced[claim] = now
	}
	return true
}

// keepImages forgets images that the class has nothing to do with any more.
func (r *record) keepImages(ids []string) {
	for id, i := range r.images {
		if !slices.Contains(ids, id) && !i.registered {
			delete(r.images, id)
		}
	}
}
