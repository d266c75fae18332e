output "controller_policy_id" {
  description = "OCID of the controller's policy."
  value       = oci_identity_policy.controller.id
}

output "statements" {
  description = "The controller's statements, for those who write policies elsewhere."
  value       = oci_identity_policy.controller.statements
}

output "node_dynamic_group_id" {
  description = "OCID of the nodes' dynamic group."
  value       = oci_identity_dynamic_group.nodes.id
}
