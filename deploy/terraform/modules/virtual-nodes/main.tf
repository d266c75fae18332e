# A pool of virtual nodes with the taint and the label that the controller's filter goes by unless it is told otherwise
# (--virtual-node-taint, --virtual-node-markers; in the chart also layerRouting.nodeSelector). OKE by itself puts no taint on them:
# pods that tolerate nothing would land there.

resource "oci_containerengine_virtual_node_pool" "this" {
  compartment_id = var.compartment_id
  cluster_id     = var.cluster_id
  display_name   = var.name
  size           = var.size
  nsg_ids        = var.nsg_ids
  freeform_tags  = var.freeform_tags

  taints {
    key    = "virtual-kubelet.io/provider"
    value  = "oracle"
    effect = "NoSchedule"
  }

  initial_virtual_node_labels {
    key   = "type"
    value = "virtual-node"
  }

  dynamic "placement_configurations" {
    for_each = var.placements
    content {
      availability_domain = placement_configurations.value.availability_domain
      fault_domain        = placement_configurations.value.fault_domains
      subnet_id           = var.node_subnet_id
    }
  }

  pod_configuration {
    shape     = var.pod_shape
    subnet_id = var.pod_subnet_id
    nsg_ids   = var.pod_nsg_ids
  }
}
