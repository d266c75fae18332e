package footprint

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/karpenter-oke/karpenter-oke/test/bench/results"
)

// moreNodes are wanted while no controller runs.
const moreNodes = 5

// restart kills the controller, wants more nodes while it is away, and measures from its start until it is ready and from the beginning of
// its lead until it launches.
func (b *bench) restart(ctx context.Context, nodes int) error {
	b.Say("starting the controller again with %d nodes", nodes)
	if err := b.KillController(); err != nil {
		return err
	}
	if err := b.Grow(ctx, nodes+moreNodes, podsPerNode); err != nil {
		return err
	}
	if err := b.AwaitPending(ctx, moreNodes*podsPerNode); err != nil {
		return err
	}
	from, started := b.Mark(), time.Now()
	if err := b.RestartController(ctx); err != nil {
		return err
	}
	ready := time.Since(started)
	var launched time.Time
	err := b.Wait(ctx, "the first launch", func(context.Context) (string, error) {
		requests, err := b.Requests(from)
		for _, r := range requests {
			if r.Operation == "LaunchInstance" && r.Status == http.StatusOK {
				launched = r.Time
				return "", nil
			}
		}
		return fmt.Sprintf("%d requests", len(requests)), err
	})
	if err != nil {
		return err
	}
	log, err := os.Open(b.ControllerLog())
	if err != nil {
		return err
	}
	leads, err := leadsSince(log)
	if err := errors.Join(err, log.Close()); err != nil {
		return err
	}
	if err := b.AwaitNodes(ctx, nodes+moreNodes, false); err != nil {
		return err
	}
	launches, err := b.Calls(from)
	if err != nil {
		return err
	}
	b.figures.Add(fmt.Sprintf("start with %d nodes: until ready", nodes), ready.Seconds(), "s", results.AtMost(10))
	b.figures.Add(fmt.Sprintf("start with %d nodes: from the beginning of the lead to the first launch", nodes), launched.Sub(leads).Seconds(), "s", results.AtMost(5),
		results.Note(fmt.Sprintf("%d launches for %d nodes that were wanted meanwhile; %s", launches["LaunchInstance"], moreNodes, launches)))
	b.figures.Add(fmt.Sprintf("start with %d nodes: instances launched that were there already", nodes), float64(launches["LaunchInstance"]-moreNodes), "instances", results.AtMost(0))
	return nil
}

// errNeverLed says that a controller's log does not tell of its lead.
var errNeverLed = errors.New("the controller's log does not say that its provisioner started")

// leadsSince reads in a controller's log when the controllers of a leader began, of which core's provisioner is one.
func leadsSince(log io.Reader) (time.Time, error) {
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Time       time.Time `json:"time"`
			Message    string    `json:"message"`
			Controller string    `json:"controller"`
		}
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Message == "Starting Controller" && line.Controller == "provisioner" {
			return line.Time, nil
		}
	}
	return time.Time{}, errors.Join(lines.Err(), errNeverLed)
}
