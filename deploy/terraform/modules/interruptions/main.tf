# Notices of preemption and maintenance: an Events rule puts them into a stream, which the controller reads with
# --interruption-stream-id.

locals {
  stream_compartment_id = coalesce(var.stream_compartment_id, var.node_compartment_id)
}

resource "oci_streaming_stream" "interruptions" {
  compartment_id     = local.stream_compartment_id
  name               = var.name
  partitions         = var.partitions
  retention_in_hours = var.retention_in_hours
  freeform_tags      = var.freeform_tags
}

resource "oci_events_rule" "interruptions" {
  compartment_id = var.node_compartment_id
  display_name   = var.name
  description    = "Preemptions and maintenance of instances, for the Karpenter controller."
  is_enabled     = true
  condition = jsonencode({
    eventType = [
      "com.oraclecloud.computeapi.instancepreemptionaction",
      "com.oraclecloud.computeapi.instancemaintenance",
      "com.oraclecloud.computeapi.instancemaintenance.begin",
      "com.oraclecloud.computeapi.instancemaintenance.end",
    ]
  })

  actions {
    actions {
      action_type = "OSS"
      is_enabled  = true
      description = "Into the stream that the controller reads."
      stream_id   = oci_streaming_stream.interruptions.id
    }
  }

  freeform_tags = var.freeform_tags

  # A rule whose stream it may not write drops the events without a word.
  depends_on = [oci_identity_policy.rule]
}

resource "oci_identity_policy" "rule" {
  compartment_id = coalesce(var.policy_compartment_id, local.stream_compartment_id)
  name           = "${var.name}-rule"
  description    = "Lets Events rules of the nodes' compartment write into streams."
  statements = [
    "Allow any-user to use stream-push in compartment id ${local.stream_compartment_id} where all {request.principal.type = 'eventrule', request.principal.compartment.id = '${var.node_compartment_id}'}",
  ]
  freeform_tags = var.freeform_tags
}
