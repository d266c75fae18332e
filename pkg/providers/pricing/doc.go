// Package pricing tells what an instance costs by the hour, from Oracle's public price list.
//
// A price is made of the parts OCI bills: OCPUs, memory, GPUs (whose price includes OCPUs and memory), local NVMe, and the boot volume.
// Which part numbers belong to a shape is a table (pricelist/shape-prices.csv); what a part costs comes from the price list, embedded as
// the start and replaced at run time (Update; package feed reads it). A shape without a price gets its nearest family's and is reported as unknown: the
// result is never zero and never infinite, because core would then buy it always or never.
package pricing
