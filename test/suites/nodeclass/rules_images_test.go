package nodeclass_test

var imageRules = map[string]rule{
	"an image term asks for something": {
		says:    "an image selector term needs 'id', 'name', 'osFamily' with 'osVersion', 'freeFormTags' or 'definedTags'",
		accepts: []string{"imageSelector: [{freeFormTags: {a: b}}]", "imageSelector: [{definedTags: {a: {b: c}}}]", "imageSelector: [{osFamily: Oracle Linux, osVersion: '8', freeFormTags: {a: b}}]"},
		rejects: []string{"imageSelector: [{}]", "imageSelector: [{compartmentId: " + ocid("compartment") + "}]", "imageSelector: [{kubernetesVersion: auto}]"},
	},
	"an image term with an id asks for nothing else": {
		says: "'id' selects one image by itself; remove it or the other conditions of the term",
		// compartmentId is of no use with an id, and existing classes have it.
		accepts: []string{"imageSelector: [{id: " + ocid("image") + "}, {name: a}]", "imageSelector: [{id: " + ocid("image") + ", compartmentId: " + ocid("compartment") + "}]"},
		rejects: []string{
			"imageSelector: [{id: " + ocid("image") + ", name: a}]", "imageSelector: [{id: " + ocid("image") + ", osFamily: Ubuntu, osVersion: '24.04'}]",
			"imageSelector: [{id: " + ocid("image") + ", freeFormTags: {a: b}}]", "imageSelector: [{id: " + ocid("image") + ", definedTags: {a: {b: c}}}]",
		},
	},
	"an image term has a name or an operating system": {
		says:    "'name' and 'osFamily' exclude each other; make two terms of them",
		accepts: []string{"imageSelector: [{name: a}, {osFamily: Ubuntu, osVersion: '24.04'}]", "imageSelector: [{name: a, freeFormTags: {b: c}}]"},
		rejects: []string{"imageSelector: [{name: a, osFamily: Ubuntu, osVersion: '24.04'}]"},
	},
	"an operating system has a version": {
		says:    "'osFamily' and 'osVersion' go together; give both or none",
		accepts: []string{"imageSelector: [{osFamily: Oracle Linux, osVersion: '8'}]"},
		rejects: []string{"imageSelector: [{osFamily: Oracle Linux}]", "imageSelector: [{name: a, osVersion: '8'}]"},
	},
	"an operating system is one that OKE has images of": {
		says:    "Unsupported value",
		accepts: []string{"imageSelector: [{osFamily: Oracle Linux, osVersion: '8'}]", "imageSelector: [{osFamily: Ubuntu, osVersion: '22.04'}]"},
		rejects: []string{"imageSelector: [{osFamily: Windows, osVersion: '11'}]", "imageSelector: [{osFamily: '', osVersion: '8'}]"},
	},
	"an operating system's version is a number": {
		says:    `give the version of the operating system as a number in quotes, such as "8", "8.10" or "24.04"`,
		accepts: []string{"imageSelector: [{osFamily: Oracle Linux, osVersion: '8.10'}]", "imageSelector: [{osFamily: Oracle Linux, osVersion: '9'}]"},
		rejects: []string{"imageSelector: [{osFamily: Oracle Linux, osVersion: latest}]", "imageSelector: [{osFamily: Oracle Linux, osVersion: '8.'}]", "imageSelector: [{osFamily: Oracle Linux, osVersion: 8.10.1}]", "imageSelector: [{osFamily: Oracle Linux, osVersion: ''}]"},
	},
	"a Kubernetes version is auto or whole": {
		says:    "give 'auto' or a whole Kubernetes version such as v1.34.1",
		accepts: []string{"imageSelector: [{osFamily: Oracle Linux, osVersion: '8', kubernetesVersion: auto}]", "imageSelector: [{freeFormTags: {a: b}, kubernetesVersion: v1.34.1}]"},
		rejects: []string{"imageSelector: [{osFamily: Oracle Linux, osVersion: '8', kubernetesVersion: v1.34}]", "imageSelector: [{osFamily: Oracle Linux, osVersion: '8', kubernetesVersion: 1.34.1}]", "imageSelector: [{osFamily: Oracle Linux, osVersion: '8', kubernetesVersion: ''}]"},
	},
	"a Kubernetes version does not go with a certain image": {
		says:    "'kubernetesVersion' chooses among images found by 'osFamily' or tags; remove it where 'id' or 'name' is given",
		accepts: []string{"imageSelector: [{definedTags: {a: {b: c}}, kubernetesVersion: auto}]"},
		rejects: []string{"imageSelector: [{name: a, kubernetesVersion: auto}]", "imageSelector: [{id: " + ocid("image") + ", kubernetesVersion: v1.34.1}]"},
	},
	"versions are short": {
		says:    "may not be more than 16",
		accepts: []string{"imageSelector: [{osFamily: Oracle Linux, osVersion: '8', kubernetesVersion: v1.34.100}]"},
		rejects: []string{"imageSelector: [{osFamily: Oracle Linux, osVersion: '8.12345678901234567890'}]", "imageSelector: [{osFamily: Oracle Linux, osVersion: '8', kubernetesVersion: v1.34.123456789012}]"},
	},
	"an image family is any short text": {
		says:    "may not be more than 63",
		accepts: []string{"imageFamily: OracleOKELinux", "imageFamily: Ubuntu2204", "imageFamily: Custom", "imageFamily: something else", "imageFamily: ''"},
		rejects: []string{"imageFamily: " + long(64)},
	},
	"a newer image is adopted or not": {
		says:    "Unsupported value",
		accepts: []string{"imagePolicy: {}", "imagePolicy: {adopt: Automatic}", "imagePolicy: {adopt: Pinned}"},
		rejects: []string{"imagePolicy: {adopt: automatic}", "imagePolicy: {adopt: Never}"},
	},
	"a soak is a duration": {
		says:    "give a duration that is not negative, such as 72h or 30m",
		accepts: []string{"imagePolicy: {soak: 0s}", "imagePolicy: {soak: 72h}", "imagePolicy: {soak: 1h30m15s}"},
		rejects: []string{"imagePolicy: {soak: -1h}", "imagePolicy: {soak: 3 days}", "imagePolicy: {soak: ''}", "imagePolicy: {soak: 99999999999h}", "imagePolicy: {soak: '72'}"},
	},
}
