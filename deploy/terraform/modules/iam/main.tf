# The rights of the controller and of the nodes it launches. docs/iam.md says which operations need each of them; a test compares
# the two.

locals {
  network_compartment_id = coalesce(var.network_compartment_id, var.node_compartment_id)
  stream_compartment_id  = coalesce(var.stream_compartment_id, var.node_compartment_id)
  key_compartment_id     = coalesce(var.key_compartment_id, var.node_compartment_id)

  places = {
    nodes   = "compartment id ${var.node_compartment_id}"
    network = "compartment id ${local.network_compartment_id}"
    cluster = "compartment id ${var.cluster_compartment_id}"
    stream  = "compartment id ${local.stream_compartment_id}"
    keys    = "compartment id ${local.key_compartment_id}"
    tenancy = "tenancy"
  }

  # All four must hold: the ServiceAccount of that name, in that namespace, of that cluster.
  workload = "all {request.principal.type = 'workload', request.principal.namespace = '${var.namespace}', request.principal.service_account = '${var.service_account}', request.principal.cluster_id = '${var.cluster_id}'}"

  rights = {
    base = [
      { right = "manage instances", in = "nodes" },
      { right = "read instance-images", in = "nodes" },
      { right = "inspect work-requests", in = "nodes" },
      { right = "inspect compartments", in = "nodes" },
      { right = "use vnics", in = "network" },
      { right = "use vnics", in = "nodes" },
      { right = "use subnets", in = "network" },
      { right = "read clusters", in = "cluster" },
    ]
    security-groups = [
      { right = "use network-security-groups", in = "network" },
      { right = "inspect vnic-attachments", in = "nodes" },
      { right = "use vnics", in = "network" },
      { right = "use vnics", in = "nodes" },
    ]
    block-devices = [
      { right = "manage volumes", in = "nodes" },
      { right = "manage volume-attachments", in = "nodes" },
    ]
    limits = [
      { right = "inspect limits", in = "tenancy" },
      { right = "read resource-availability", in = "tenancy" },
    ]
    capacity-reports = [
      { right = "manage compute-capacity-reports", in = "tenancy" },
    ]
    addresses = [
      { right = "inspect ipam", in = "network" },
    ]
    console = [
      { right = "manage console-histories", in = "nodes" },
    ]
    interruptions = [
      { right = "read streams", in = "stream" },
      { right = "use stream-pull", in = "stream" },
    ]
    maintenance = [
      { right = "{INSTANCE_MAINTENANCE_EVENT_INSPECT}", in = "nodes" },
    ]
    capacity-reservations = [
      { right = "use compute-capacity-reservations", in = "nodes" },
    ]
    compute-clusters = [
      { right = "use compute-clusters", in = "nodes" },
    ]
    cluster-placement-groups = [
      { right = "use cluster-placement-groups", in = "nodes" },
    ]
    dedicated-vm-hosts = [
      { right = "use dedicated-vm-hosts", in = "nodes" },
    ]
    vault-keys = [
      { right = "read keys", in = "keys" },
      { right = "use key-delegate", in = "keys" },
    ]
    defined-tags = [
      { right = "use tag-namespaces", in = "tenancy" },
    ]
    marketplace-images = [
      { right = "read app-catalog-listing", in = "nodes" },
    ]
  }

  granted = flatten([for feature, rights in local.rights : rights if feature == "base" || contains(var.features, feature)])

  controller_statements = distinct([
    for r in local.granted : "Allow any-user to ${r.right} in ${local.places[r.in]} where ${local.workload}"
  ])

  # Block Storage encrypts and decrypts on its own account.
  service_statements = contains(var.features, "vault-keys") ? [
    "Allow service blockstorage to use keys in ${local.places.keys}",
  ] : []
}

resource "oci_identity_policy" "controller" {
  compartment_id = coalesce(var.policy_compartment_id, var.tenancy_id)
  name           = "${var.name_prefix}-controller"
  description    = "What the Karpenter controller of the OKE cluster ${var.cluster_id} may do."
  statements     = concat(local.controller_statements, local.service_statements)
  freeform_tags  = var.freeform_tags
}

resource "oci_identity_dynamic_group" "nodes" {
  compartment_id = var.tenancy_id
  name           = "${var.name_prefix}-nodes"
  description    = "Instances that may join the OKE cluster ${var.cluster_id} as nodes."
  matching_rule  = "ALL {instance.compartment.id = '${var.node_compartment_id}'}"
  freeform_tags  = var.freeform_tags
}

resource "oci_identity_policy" "nodes" {
  compartment_id = coalesce(var.policy_compartment_id, var.tenancy_id)
  name           = "${var.name_prefix}-nodes"
  description    = "Lets instances join the OKE cluster ${var.cluster_id}."
  statements = [
    "Allow dynamic-group id ${oci_identity_dynamic_group.nodes.id} to {CLUSTER_JOIN} in ${local.places.cluster} where target.cluster.id = '${var.cluster_id}'",
  ]
  freeform_tags = var.freeform_tags
}
