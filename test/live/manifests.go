package live

// FlexClass is a plain node class {{.Name}} whose sizes are found as {{.Sizing}} says: Fit or Grid.
const FlexClass = `
apiVersion: karpenter.k8s.oracle/v1alpha1
kind: OciNodeClass
metadata: {name: {{.Name}}}
spec:
  imageSelector:
    - {osFamily: Oracle Linux, osVersion: "8"}
  subnetSelector:
    - freeFormTags: {role: nodes}
  flex: {sizing: {{.Sizing}}}
`
