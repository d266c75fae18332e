package virtualnode

import (
	"math"
	"math/bits"

	corev1 "k8s.io/api/core/v1"
)

// size is an amount of CPU and memory. unlimited stands for a node that does not say how much it has.
type size struct {
	milliCPU int64
	memory   int64 // bytes
}

const unlimited = math.MaxInt64

// roomOf is what a node's allocatable leaves to pods.
func roomOf(list corev1.ResourceList) size {
	room := size{milliCPU: unlimited, memory: unlimited}
	if q, ok := list[corev1.ResourceCPU]; ok {
		room.milliCPU = amount(q, corev1.ResourceCPU)
	}
	if q, ok := list[corev1.ResourceMemory]; ok {
		room.memory = amount(q, corev1.ResourceMemory)
	}
	return room
}

// demandOf is what kube-scheduler sets aside for the pod; 0 for no pod.
func demandOf(p *corev1.Pod) size {
	if p == nil {
		return size{}
	}
	return read(p).want
}

func (s size) plus(o size) size {
	return size{milliCPU: addUpTo(s.milliCPU, o.milliCPU), memory: addUpTo(s.memory, o.memory)}
}

func (s size) minus(o size) size {
	return size{milliCPU: subtract(s.milliCPU, o.milliCPU), memory: subtract(s.memory, o.memory)}
}

func (s size) max(o size) size {
	return size{milliCPU: max(s.milliCPU, o.milliCPU), memory: max(s.memory, o.memory)}
}

// fits tells whether the size goes into a room.
func (s size) fits(room size) bool { return s.milliCPU <= room.milliCPU && s.memory <= room.memory }

// magnitude is equal for sizes whose parts differ by less than a factor of two.
func (s size) magnitude() [2]int { return [2]int{magnitude(s.milliCPU), magnitude(s.memory)} }

func magnitude(n int64) int {
	if n <= 0 {
		return 0
	}
	return bits.Len64(uint64(n))
}

func addUpTo(a, b int64) int64 {
	if b > math.MaxInt64-a {
		return math.MaxInt64
	}
	return a + b
}

func subtract(room, taken int64) int64 {
	if room == unlimited {
		return unlimited
	}
	return room - taken
}
