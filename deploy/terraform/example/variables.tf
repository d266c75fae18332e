variable "tenancy_id" {
  description = "OCID of the tenancy."
  type        = string
}

variable "region" {
  description = "Region of the cluster, such as us-phoenix-1."
  type        = string
}

variable "home_region" {
  description = "Home region of the tenancy: policies and dynamic groups are made there."
  type        = string
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
  description = "OCID of the compartment in which nodes are launched."
  type        = string
}

variable "node_subnet_id" {
  description = "OCID of the subnet of virtual nodes."
  type        = string
}

variable "pod_subnet_id" {
  description = "OCID of the subnet of pods on virtual nodes."
  type        = string
}

variable "placements" {
  description = "Availability domains, by full name, and their fault domains, for virtual nodes."
  type = list(object({
    availability_domain = string
    fault_domains       = list(string)
  }))
}
