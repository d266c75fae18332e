package ocisim

import (
	"net/http"

	"github.com/oracle/oci-go-sdk/v65/keymanagement"
	"github.com/samber/lo"
)

// AddKey makes a vault key in the given lifecycle state, empty for ENABLED, and returns its OCID.
func (s *Simulator) AddKey(name, state string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	setDefault(&state, string(keymanagement.KeyLifecycleStateEnabled))
	// As in the real service, the key's OCID holds the name of its vault before the unique part.
	id := "ocid1.key.oc1." + regionInIDs(s.world.Region) + ".simvault." + uniquePart(s.newID("key"))
	s.putKey(id, name, state)
	return id, nil
}

// SetKeyState changes the lifecycle state of a key, as a person in the console would.
func (s *Simulator) SetKeyState(id, state string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, known := s.state.keys.get(id)
	if !known {
		return notFound("key %s", id)
	}
	s.putKey(id, *key.DisplayName, state)
	return nil
}

func (s *Simulator) putKey(id, name, state string) {
	s.state.keys.put(id, keymanagement.Key{CompartmentId: lo.ToPtr(s.world.CompartmentID), CurrentKeyVersion: lo.ToPtr(uniqueSibling(id, "keyversion")),
		DisplayName: lo.ToPtr(name), Id: lo.ToPtr(id), KeyShape: &keymanagement.KeyShape{Algorithm: keymanagement.KeyShapeAlgorithmAes, Length: lo.ToPtr(32)},
		LifecycleState: keymanagement.KeyLifecycleStateEnum(state), TimeCreated: stamp(s.clock.Now()), VaultId: lo.ToPtr(uniqueSibling("simvault", "vault")),
		FreeformTags: map[string]string{}, DefinedTags: map[string]map[string]any{}})
}

// checkKey refuses a volume whose key is not there or does not encrypt. Uncertain: no public source shows the codes of the real refusals.
func (s *Simulator) checkKey(id string) error {
	if id == "" {
		return nil
	}
	key, known := s.state.keys.get(id)
	switch {
	case !known:
		return relatedNotFound("key %s", id)
	case key.LifecycleState != keymanagement.KeyLifecycleStateEnabled:
		return invalid("kmsKeyId %s is %s", id, key.LifecycleState)
	}
	return nil
}

func keyOperations() []operation {
	return []operation{{name: "GetKey", method: http.MethodGet, path: "/20180608/keys/{id}", handle: getKey}}
}

func getKey(s *Simulator, c *call) (*reply, error) {
	key, known := s.state.keys.get(c.path("id"))
	if !known {
		return nil, notFound("key %s", c.path("id"))
	}
	return ok(key).with("etag", "1"), nil
}
