output "virtual_node_pool_id" {
  description = "OCID of the pool."
  value       = oci_containerengine_virtual_node_pool.this.id
}
