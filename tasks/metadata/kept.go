package metadata

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"

	"github.com/gantry-engine/gantry/engine"
	"github.com/gantry-engine/gantry/tasks/toolbox"
)

// What a kept exiftool may do before it is replaced. What it learnt from one file lasts no longer than that.
const (
	keptUses   = 50
	keptMemory = 200 << 20
)

// keep returns workers that hold exiftool open: it takes longer to start than to read.
func (t exiftool) keep() *toolbox.Pool {
	return t.box.Pool(toolbox.PoolConfig{
		Name: t.tool.Name, Size: runtime.NumCPU(), Uses: keptUses, Memory: keptMemory, Frame: maxOutput,
		Set: func(c *toolbox.Command) {
			c.Tool, c.Bounds = t.tool, bounds()
			c.Args = slices.Concat(noConfig, []string{"-stay_open", "True", "-@", "-"})
		},
		Ready: func(ctx context.Context, w *toolbox.Worker) error {
			_, err := ask(ctx, w, "-ver")
			return err
		},
	})
}

// kept reads by an exiftool of the pool; key stands for the file.
func (t exiftool) kept(ctx context.Context, path, key string) (printed []byte, err error) {
	err = t.pool.Use(ctx, key, func(ctx context.Context, w *toolbox.Worker) error {
		in, err := w.In(path)
		if err != nil {
			return err
		}
		printed, err = ask(ctx, w, slices.Concat(reads, []string{in})...)
		return err
	})
	return printed, err
}

// errNoLine means that only a command line can hold an argument.
var errNoLine = errors.New("an argument has a line break in it")

// ask has a worker obey one command, an argument a line, and returns what it prints. The mark behind that cannot be guessed.
func ask(ctx context.Context, w *toolbox.Worker, args ...string) ([]byte, error) {
	var request strings.Builder
	for _, arg := range args {
		if strings.ContainsAny(arg, "\r\n") {
			return nil, errNoLine
		}
		request.WriteString(arg + "\n")
	}
	mark := rand.Uint64()
	fmt.Fprintf(&request, "-execute%d\n", mark)
	if err := w.Send(ctx, []byte(request.String())); err != nil {
		return nil, err
	}
	end := fmt.Appendf(nil, "{ready%d}", mark)
	var printed bytes.Buffer
	for {
		line, err := w.Receive(ctx)
		if err != nil || bytes.Equal(line, end) {
			return printed.Bytes(), err
		}
		if printed.Len()+len(line) >= maxOutput {
			return nil, engine.Errorf(engine.TooLarge, "Exiftool tells more than %d MiB about this file.", maxOutput>>20)
		}
		printed.Write(append(line, '\n'))
	}
}
