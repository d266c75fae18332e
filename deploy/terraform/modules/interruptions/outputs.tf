output "stream_id" {
  description = "For settings.interruptionStreamId of the chart."
  value       = oci_streaming_stream.interruptions.id
}
