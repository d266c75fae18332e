# All three modules for one cluster. Take what you need.

provider "oci" {
  region = var.region
}

provider "oci" {
  alias  = "home"
  region = var.home_region
}

module "iam" {
  source    = "../modules/iam"
  providers = { oci = oci.home }

  tenancy_id             = var.tenancy_id
  cluster_id             = var.cluster_id
  cluster_compartment_id = var.cluster_compartment_id
  node_compartment_id    = var.node_compartment_id
  features               = ["security-groups", "limits", "capacity-reports", "addresses", "maintenance", "interruptions"]
}

module "interruptions" {
  source = "../modules/interruptions"

  node_compartment_id = var.node_compartment_id
}

module "virtual_nodes" {
  source = "../modules/virtual-nodes"

  compartment_id = var.cluster_compartment_id
  cluster_id     = var.cluster_id
  node_subnet_id = var.node_subnet_id
  pod_subnet_id  = var.pod_subnet_id
  placements     = var.placements
}

output "interruption_stream_id" {
  description = "For settings.interruptionStreamId of the chart."
  value       = module.interruptions.stream_id
}
