package engine

import (
	"slices"
	"strings"
)

// cycles reports every task that, by its inputs, waits for itself.
func (d *draft) cycles() {
	for _, i := range d.stuck() {
		if ring := d.ring(i); ring != nil {
			d.problem(i, "input", "leads back to the task itself: %s", strings.Join(ring, " → "))
		}
	}
}

// stuck returns the tasks that could never start: those on a ring and those behind one.
func (d *draft) stuck() (left []int) {
	open := make([]int, len(d.deps))
	readers := make([][]int, len(d.deps))
	var free []int
	for i, deps := range d.deps {
		open[i] = len(deps)
		for _, dep := range deps {
			readers[dep] = append(readers[dep], i)
		}
		if len(deps) == 0 {
			free = append(free, i)
		}
	}
	for len(free) > 0 {
		next := free[len(free)-1]
		free = free[:len(free)-1]
		for _, reader := range readers[next] {
			if open[reader]--; open[reader] == 0 {
				free = append(free, reader)
			}
		}
	}
	for i := range open {
		if open[i] > 0 {
			left = append(left, i)
		}
	}
	return left
}

// ring returns the names on the shortest way along which the files of task i would come back to it; nil if there is none.
func (d *draft) ring(i int) []string {
	reads := map[int]int{} // by which task each was found
	queue := []int{i}
	for len(queue) > 0 {
		at := queue[0]
		queue = queue[1:]
		for _, dep := range d.deps[at] {
			if _, seen := reads[dep]; seen {
				continue
			}
			reads[dep] = at
			if dep == i {
				return d.way(reads, i)
			}
			queue = append(queue, dep)
		}
	}
	return nil
}

func (d *draft) way(reads map[int]int, i int) []string {
	names := []string{d.specs[i].Name}
	for at := reads[i]; at != i; at = reads[at] {
		names = append(names, d.specs[at].Name)
	}
	names = append(names, d.specs[i].Name)
	if len(names) > 12 {
		names = slices.Concat(names[:5], []string{"…"}, names[len(names)-4:])
	}
	return names
}
