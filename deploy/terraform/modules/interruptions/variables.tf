variable "node_compartment_id" {
  description = "OCID of the compartment of the nodes. A rule sees the events of its own compartment and of those below it."
  type        = string
}

variable "stream_compartment_id" {
  description = "OCID of the compartment that the stream is made in. Left out: that of the nodes."
  type        = string
  default     = null
}

variable "policy_compartment_id" {
  description = "Where the policy is kept: the compartment of the stream or one above it. Left out: that of the stream."
  type        = string
  default     = null
}

variable "name" {
  description = "Name of the stream, the rule and the policy."
  type        = string
  default     = "karpenter-oke-interruptions"
}

variable "partitions" {
  description = "Partitions of the stream. One takes 1 MB a second, a thousand times what preemptions of a large cluster write."
  type        = number
  default     = 1
}

variable "retention_in_hours" {
  description = "How long the stream keeps messages. An interruption is over after minutes, so the least that OCI allows is plenty."
  type        = number
  default     = 24
}

variable "freeform_tags" {
  description = "Tags of the stream, the rule and the policy."
  type        = map(string)
  default     = {}
}
