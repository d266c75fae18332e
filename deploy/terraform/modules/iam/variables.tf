variable "tenancy_id" {
  description = "OCID of the tenancy: dynamic groups live there, and statements on limits, capacity reports and tags speak of it."
  type        = string
}

variable "policy_compartment_id" {
  description = "Where the policies are kept: the tenancy, or a compartment that all the others below lie in. Left out: the tenancy."
  type        = string
  default     = null
}

variable "cluster_id" {
  description = "OCID of the enhanced OKE cluster."
  type        = string
}

variable "cluster_compartment_id" {
  description = "OCID of the compartment of the cluster."
  type        = string
}

variable "node_compartment_id" {
  description = "OCID of the compartment in which nodes are launched (--compartment-id). Every instance in it may join the cluster."
  type        = string
}

variable "network_compartment_id" {
  description = "OCID of the compartment of the subnets and network security groups. Left out: that of the nodes."
  type        = string
  default     = null
}

variable "stream_compartment_id" {
  description = "OCID of the compartment of the stream, with the feature interruptions. Left out: that of the nodes."
  type        = string
  default     = null
}

variable "key_compartment_id" {
  description = "OCID of the compartment of vault keys, with the feature vault-keys. Left out: that of the nodes."
  type        = string
  default     = null
}

variable "namespace" {
  description = "Namespace that the chart is installed in."
  type        = string
  default     = "karpenter"
}

variable "service_account" {
  description = "Name of the controller's ServiceAccount."
  type        = string
  default     = "karpenter-oke"
}

variable "features" {
  description = "Optional features to grant rights for, by the names that docs/iam.md has for them."
  type        = set(string)
  default     = ["security-groups", "limits", "capacity-reports", "addresses", "maintenance"]

  validation {
    condition = length(setsubtract(var.features, [
      "security-groups", "block-devices", "limits", "capacity-reports", "addresses", "console", "interruptions",
      "maintenance", "capacity-reservations", "compute-clusters", "cluster-placement-groups", "dedicated-vm-hosts", "vault-keys",
      "defined-tags", "marketplace-images",
    ])) == 0
    error_message = "There is no such feature; docs/iam.md lists them."
  }
}

variable "name_prefix" {
  description = "What the names of the policies and of the dynamic group begin with; they are unique in a compartment or tenancy."
  type        = string
  default     = "karpenter-oke"
}

variable "freeform_tags" {
  description = "Tags of the policies and of the dynamic group."
  type        = map(string)
  default     = {}
}
