package learned

import "github.com/karpenter-oke/karpenter-oke/pkg/apis/v1alpha1"

// View is what holds for nodes of one node class. The zero View knows nothing.
type View struct {
	class  string
	images []*imageFigures
}

// AppendScope appends what tells apart node classes for which different figures hold: the images of the class that are known, and the
// class's name if it has figures of its own. It appends nothing as long as nothing is known, and allocates nothing if b has room.
func (s *Store) AppendScope(b []byte, nodeClass *v1alpha1.OciNodeClass) []byte {
	if s == nil {
		return b
	}
	known := s.current().images
	if len(known) == 0 {
		return b
	}
	own := false
	for i := range nodeClass.Status.Images {
		if figures := known[nodeClass.Status.Images[i].ID]; figures != nil {
			b = append(append(b, nodeClass.Status.Images[i].ID...), 0)
			own = own || figures.classes[nodeClass.Name]
		}
	}
	if own {
		b = append(append(b, nodeClass.Name...), 0)
	}
	return b
}

// View is what holds for nodes of the class: the figures of the images that it resolves to now.
func (s *Store) View(nodeClass *v1alpha1.OciNodeClass) View {
	if s == nil {
		return View{}
	}
	known := s.current().images
	if len(known) == 0 {
		return View{}
	}
	v := View{class: nodeClass.Name}
	for i := range nodeClass.Status.Images {
		if figures := known[nodeClass.Status.Images[i].ID]; figures != nil {
			v.images = append(v.images, figures)
		}
	}
	return v
}

// Shortfall is by how much a node of the size is expected to be smaller than the model. Where nodes of this very size were seen, it is
// what they showed; otherwise the worst that those of other sizes of the shape let expect. Of several images of a class the worst counts.
func (v View) Shortfall(size Size) Shortfall {
	var worst Shortfall
	for _, figures := range v.images {
		list := figures.shapes[size.Shape]
		worst = worst.max(Shortfall{Memory: v.estimate(list, size, anyClass).Memory, Rest: v.estimate(list, size, ownClass).Rest})
	}
	return worst
}

// Whose nodes an estimate goes by.
const (
	anyClass = false
	ownClass = true
)

func (v View) estimate(list []Observation, size Size, own bool) Shortfall {
	var here, elsewhere Shortfall
	seenHere := false
	for i := range list {
		o := &list[i]
		switch {
		case own && o.Class != v.class:
		case o.Size == size:
			here, seenHere = here.max(o.Shortfall), true
		default:
			elsewhere = elsewhere.max(o.at(o.Size, size))
		}
	}
	if seenHere {
		return here
	}
	return elsewhere
}
