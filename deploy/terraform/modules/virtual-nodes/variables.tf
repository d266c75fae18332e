variable "compartment_id" {
  description = "OCID of the compartment of the pool."
  type        = string
}

variable "cluster_id" {
  description = "OCID of the enhanced OKE cluster; its pod network must be VCN-native."
  type        = string
}

variable "name" {
  description = "Name of the pool."
  type        = string
  default     = "virtual-nodes"
}

variable "size" {
  description = "How many virtual nodes. Each costs a little by the hour and takes hundreds of pods: 3, over the availability domains, is much."
  type        = number
  default     = 3
}

variable "node_subnet_id" {
  description = "OCID of the subnet of the virtual nodes."
  type        = string
}

variable "pod_subnet_id" {
  description = "OCID of the private subnet of the pods: every pod takes one address of it."
  type        = string
}

variable "placements" {
  description = "Availability domains, by full name, and their fault domains."
  type = list(object({
    availability_domain = string
    fault_domains       = list(string)
  }))
}

variable "pod_shape" {
  description = "Shape that pods run on: Pod.Standard.E3.Flex, Pod.Standard.E4.Flex or Pod.Standard.A1.Flex."
  type        = string
  default     = "Pod.Standard.E4.Flex"
}

variable "nsg_ids" {
  description = "OCIDs of network security groups of the virtual nodes."
  type        = list(string)
  default     = []
}

variable "pod_nsg_ids" {
  description = "OCIDs of network security groups of the pods."
  type        = list(string)
  default     = []
}

variable "freeform_tags" {
  description = "Tags of the pool."
  type        = map(string)
  default     = {}
}
