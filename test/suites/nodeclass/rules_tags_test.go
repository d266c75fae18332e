package nodeclass_test

var tagRules = map[string]rule{
	"a freeform tag's key has 1 to 100 characters": {
		says:    "the key of a freeform tag has 1 to 100 characters",
		accepts: []string{"freeFormTags: {" + long(100) + ": v}", "tags: {" + long(100) + ": v}", "freeFormTags: {}", "freeFormTags: {a/b.c d: ''}"},
		rejects: []string{"freeFormTags: {'': v}", "freeFormTags: {" + long(101) + ": v}", "tags: {" + long(101) + ": v}"},
	},
	"the controller's tags are its own": {
		says:    "freeform tags whose keys begin with karpenter-oke- mark the controller's instances; choose another key",
		accepts: []string{"freeFormTags: {karpenter: v, my-karpenter-oke-x: v}"},
		rejects: []string{"freeFormTags: {karpenter-oke-cluster-id: v}", "tags: {karpenter-oke-x: v}"},
	},
	"freeform tags are at most 10, old and new together": {
		says:    "OCI allows 10 freeform tags on a resource; remove some from 'tags' and 'freeFormTags', or use definedTags",
		accepts: []string{"freeFormTags: {" + entries(10) + "}", "tags: {" + entries(10) + "}", "{tags: {" + entries(10) + "}, freeFormTags: {" + entries(10) + "}}", "{tags: {" + items(4, "a%d: v") + "}, freeFormTags: {" + entries(6) + "}}"},
		rejects: []string{"{tags: {a: v}, freeFormTags: {" + entries(10) + "}}", "{tags: {" + entries(10) + "}, freeFormTags: {" + items(2, "a%d: v") + "}}"},
	},
	"tags have their sizes": {
		says:    "",
		accepts: []string{"freeFormTags: {k: " + long(256) + "}", "definedTags: {n: {k: " + long(256) + "}}", "definedTags: {" + items(64, "n%d: {k: v}") + "}", "definedTags: {n: {" + entries(64) + "}}"},
		rejects: []string{
			"freeFormTags: {" + entries(11) + "}", "freeFormTags: {k: " + long(257) + "}", "tags: {" + entries(11) + "}", "tags: {k: " + long(257) + "}",
			"definedTags: {" + items(65, "n%d: {k: v}") + "}", "definedTags: {n: {" + entries(65) + "}}", "definedTags: {n: {k: " + long(257) + "}}",
		},
	},
	"a tag namespace has a name without dots and spaces": {
		says:    "the name of a tag namespace has 1 to 100 characters and no dots or spaces",
		accepts: []string{"definedTags: {" + long(100) + ": {k: v}, Oracle-Tags: {k: v}}"},
		rejects: []string{"definedTags: {'': {k: v}}", "definedTags: {a.b: {k: v}}", "definedTags: {a b: {k: v}}", "definedTags: {" + long(101) + ": {k: v}}"},
	},
	"a defined tag has a key without dots and spaces": {
		says:    "the key of a defined tag has 1 to 100 characters and no dots or spaces",
		accepts: []string{"definedTags: {n: {" + long(100) + ": v, karpenter_sh/nodepool: v}}", "definedTags: {n: {}}"},
		rejects: []string{"definedTags: {n: {'': v}}", "definedTags: {n: {a.b: v}}", "definedTags: {m: {a: b}, n: {a b: v}}", "definedTags: {n: {" + long(101) + ": v}}"},
	},
}
