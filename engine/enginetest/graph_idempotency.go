package enginetest

import (
	"time"

	"github.com/gantry-engine/gantry/engine"
)

func idempotencyCases() []graphCase {
	return []graphCase{
		{"the same key and request give the same job", func(l *lab) {
			l.start(4)
			first, second := l.keyed("k", "1", ""), l.keyed("k", "1", "")
			if first != second {
				l.Error("the repetition made another job")
			}
			l.jobs(1)
		}},
		{"the same key with another request is a conflict", func(l *lab) {
			l.start(4)
			l.keyed("k", "1", "")
			l.keyed("k", "2", engine.Conflict)
			l.jobs(1)
		}},
		{"another user may use the same key", func(l *lab) {
			l.start(4)
			first := l.keyed("k", "1", "")
			other, err := l.Engine.Store.Accounts.EnsureUser(l.Context(), "somebody else")
			l.ok(err)
			l.User = other.ID
			if l.keyed("k", "2", "") == first {
				l.Error("a user got another user's job")
			}
		}},
		{"repetitions at the same time make one job", func(l *lab) {
			l.start(4)
			ids := make([]engine.ID, 32)
			l.atOnce(len(ids), func(i int) { ids[i] = l.keyed("k", "1", "") })
			for _, id := range ids {
				if id != ids[0] {
					l.Fatal("two jobs were made")
				}
			}
			l.jobs(1)
		}},
		{"different requests at the same time make one job", func(l *lab) {
			l.start(4)
			made := make([]error, 32)
			l.atOnce(len(made), func(i int) { _, made[i] = l.submitKeyed("k", string(rune('a'+i))) })
			taken := 0
			for _, err := range made {
				if err == nil {
					taken++
				} else {
					l.code(err, engine.Conflict)
				}
			}
			if taken != 1 {
				l.Errorf("%d requests were taken", taken)
			}
			l.jobs(1)
		}},
		{"a key is forgotten after a day", func(l *lab) {
			l.start(4)
			first := l.keyed("k", "1", "")
			l.Clock.Advance(25 * time.Hour)
			if l.keyed("k", "2", "") == first {
				l.Error("the key is still known")
			}
		}},
		{"a key is forgotten with its job", func(l *lab) {
			l.start(4)
			first := l.keyed("k", "1", "")
			l.ok(l.DeleteJob(l.Context(), l.User, first))
			if l.keyed("k", "1", "") == first {
				l.Error("the deleted job was returned")
			}
		}},
		{"a key of a stand-alone task", func(l *lab) {
			l.start(4)
			var ids []engine.ID
			for range 2 {
				job, err := l.Submit(l.Context(), l.User, engine.Submission{IdempotencyKey: "k", Digest: "1", Hidden: true,
					Tasks: []engine.TaskSpec{Task("", "make", "")}})
				l.ok(err)
				ids = append(ids, job.Tasks[0].ID)
			}
			if ids[0] != ids[1] {
				l.Error("the repetition made another task")
			}
		}},
	}
}

func (l *lab) submitKeyed(key, digest string) (engine.Job, error) {
	return l.Submit(l.Context(), l.User, engine.Submission{IdempotencyKey: key, Digest: digest,
		Tasks: []engine.TaskSpec{Task("a", "make", "")}})
}

func (l *lab) keyed(key, digest string, want engine.Code) engine.ID {
	l.Helper()
	job, err := l.submitKeyed(key, digest)
	l.code(err, want)
	return job.ID
}

func (l *lab) jobs(want int) {
	l.Helper()
	jobs, err := l.Jobs(l.Context(), engine.JobQuery{User: l.User})
	l.ok(err)
	if len(jobs) != want {
		l.Errorf("there are %d jobs, want %d", len(jobs), want)
	}
}
