package pricing

// partVirtualNode is an OKE virtual node per hour, without its pods; they are priced like the compute shapes that they run on.
var partVirtualNode = part{"B96109", 0.015}

// VirtualNode is the price of a virtual node per hour, without its pods.
func (p *DefaultProvider) VirtualNode() float64 { return p.current.Load().price(partVirtualNode) }
