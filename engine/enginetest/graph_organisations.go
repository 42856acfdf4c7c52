package enginetest

import (
	"strings"
	"sync"
	"time"

	"github.com/gantry-engine/gantry/engine"
)

func organisationCases() []graphCase {
	return []graphCase{
		{"only members see a file", func(l *lab) {
			l.start(4)
			f := l.deposit(l.organisation())
			got, err := l.StoredFile(l.Context(), l.User, f.ID)
			l.ok(err)
			if got.SHA256 != f.SHA256 || got.Organisation != f.Organisation || got.ContentType != "text/plain" || got.Name != "file.txt" {
				l.Errorf("got %+v, want %+v", got, f)
			}
			_, err = l.StoredFile(l.Context(), l.stranger(), f.ID)
			l.code(err, engine.NotFound)
			_, err = l.StoredFile(l.Context(), l.User, engine.NewID())
			l.code(err, engine.NotFound)
		}},
		{"a file outlives the job that made it", func(l *lab) {
			l.start(4)
			org := l.organisation()
			job := l.submit(Task("a", "make", ""), Task("b", "keep", `{"id":"`+string(org)+`"}`, "a"))
			end := l.want(job, "finished a=finished b=finished")
			id := engine.ID(Named(l.T, end, "b").Result.Files[0].Facts["id"])
			l.sweep(l.Limits.Expiry + time.Minute)
			_, err := l.Job(l.Context(), l.User, job.ID)
			l.code(err, engine.NotFound)
			l.holds(1)
			f, err := l.StoredFile(l.Context(), l.User, id)
			l.ok(err)
			if got := l.Content(l.T, f.File); got != "a()" {
				l.Errorf("the file has %q", got)
			}
			l.ok(l.Engine.Store.Organisations.RemoveFile(l.Context(), id))
			l.holds(0)
		}},
		{"a stored file is an input by reference", func(l *lab) {
			l.start(4)
			f := l.deposit(l.organisation())
			job := l.submit(Task("a", "kept", `{"id":"`+string(f.ID)+`"}`), Task("b", "join", "", "a"))
			l.want(job, "finished a=finished b=finished")
			if got := l.text(job, "b"); got != "b(content)" {
				l.Errorf("got %q", got)
			}
			l.ok(l.Engine.Store.Organisations.RemoveFile(l.Context(), f.ID))
			l.flowed(job, "a", "content")
			l.want(l.submit(Task("a", "kept", `{"id":"`+string(f.ID)+`"}`)), "error a=error:NOT_FOUND")
		}},
		{"nothing is kept for an organisation that is gone", func(l *lab) {
			l.start(4)
			org := l.organisation()
			job := l.submit(Task("a", "make", ""), Task("g", "hold", "", "a"), Task("b", "keep", `{"id":"`+string(org)+`"}`, "g"))
			call := l.gate.Await(l.T, "g")
			files, err := call.Run.Files(l.Context())
			l.ok(err)
			l.ok(l.Engine.Store.Organisations.RemoveOrganisation(l.Context(), org))
			call.Finish(files...)
			l.want(job, "error a=finished g=finished b=error:NOT_FOUND")
			_, err = l.Deposit(l.Context(), engine.Deposit{Organisation: org, Content: strings.NewReader("x")})
			l.code(err, engine.NotFound)
			l.ok(l.DeleteJob(l.Context(), l.User, job.ID))
			l.holds(0)
		}},
		{"an announced file comes once", onceOnly},
		{"of two at once one comes", func(l *lab) {
			l.start(4)
			org, id := l.organisation(), engine.NewID()
			var all sync.WaitGroup
			errs := make([]error, 8)
			for i := range errs {
				all.Go(func() {
					_, errs[i] = l.Deposit(l.Context(), engine.Deposit{Organisation: org, ID: id, Content: strings.NewReader("x")})
				})
			}
			all.Wait()
			came := 0
			for _, err := range errs {
				if err == nil {
					came++
				} else {
					l.code(err, engine.Conflict)
				}
			}
			if came != 1 {
				l.Errorf("%d came", came)
			}
			l.holds(1)
		}},
		{"an organisation goes with all it has", func(l *lab) {
			l.start(4)
			org, other := l.organisation(), l.organisation()
			f, stays := l.deposit(org), l.deposit(other)
			running := l.export(f, "t1")
			call := l.gate.Await(l.T, "a")
			ended := l.exportWith(f, "t2", Task("a", "kept", `{"id":"`+string(f.ID)+`"}`))
			l.want(ended, "finished a=finished")
			d, err := l.OpenStored(l.Context(), f.ID)
			l.ok(err)
			defer d.Close()
			l.ok(l.Engine.Store.Organisations.RemoveOrganisation(l.Context(), org))
			<-call.Ctx.Done()
			<-d.Gone
			for _, job := range []engine.Job{running, ended} {
				_, err := l.Job(l.Context(), l.User, job.ID)
				l.code(err, engine.NotFound)
			}
			_, err = l.StoredFile(l.Context(), l.User, f.ID)
			l.code(err, engine.NotFound)
			_, err = l.StoredFile(l.Context(), l.User, stays.ID)
			l.code(err, "")
			l.code(l.Engine.Store.Organisations.RemoveOrganisation(l.Context(), org), engine.NotFound)
			l.holds(1)
			all, err := l.Engine.Store.Organisations.Organisations(l.Context())
			l.ok(err)
			if len(all) != 1 || all[0].ID != other {
				l.Errorf("left are %v", all)
			}
		}},
	}
}

// onceOnly uses an announced ID again: while its file is there, and when it is gone.
func onceOnly(l *lab) {
	l.start(4)
	org, id, until := l.organisation(), engine.NewID(), l.Clock.Now().Add(time.Hour)
	announced := func() error {
		_, err := l.Deposit(l.Context(), engine.Deposit{Organisation: org, ID: id, OnceUntil: until, Content: strings.NewReader("x")})
		return err
	}
	l.ok(announced())
	l.code(announced(), engine.Conflict)
	l.holds(1)
	l.ok(l.Engine.Store.Organisations.RemoveFile(l.Context(), id))
	l.code(l.Engine.Store.Organisations.RemoveFile(l.Context(), id), engine.NotFound)
	l.code(announced(), engine.Conflict)
	l.holds(0)
	l.Clock.Advance(2 * time.Hour) // nobody can use it any more, and nothing of it stays
	other := l.deposit(org)
	l.ok(l.Engine.Store.Organisations.RemoveFile(l.Context(), other.ID))
	l.ok(announced())
}

func exportCases() []graphCase {
	return []graphCase{
		{"the same export runs once at a time", func(l *lab) {
			l.start(4)
			f := l.deposit(l.organisation())
			first := l.export(f, "pdf")
			if got := l.job(first).File; got != f.ID {
				l.Errorf("the job is about %q", got)
			}
			_, err := l.Submit(l.Context(), l.User, engine.Submission{Tag: "pdf", File: f.ID, Tasks: gates("b")})
			l.code(err, engine.Conflict)
			other := l.exportWith(f, "txt", gates("c")...)
			l.gate.Await(l.T, "a").Finish()
			l.want(first, "finished a=finished")
			again := l.exportWith(f, "pdf", gates("d")...)
			l.gate.Await(l.T, "c").Finish()
			l.gate.Await(l.T, "d").Finish()
			l.want(other, "finished c=finished")
			l.want(again, "finished d=finished")
		}},
		{"of two at once one runs", func(l *lab) {
			l.start(8)
			f := l.deposit(l.organisation())
			var all sync.WaitGroup
			errs := make([]error, 8)
			for i := range errs {
				all.Go(func() {
					_, errs[i] = l.Submit(l.Context(), l.User, engine.Submission{Tag: "pdf", File: f.ID, Tasks: gates("a")})
				})
			}
			all.Wait()
			ran := 0
			for _, err := range errs {
				if err == nil {
					ran++
				} else {
					l.code(err, engine.Conflict)
				}
			}
			if ran != 1 {
				l.Errorf("%d run", ran)
			}
		}},
		{"a file that goes ends its exports", func(l *lab) {
			l.start(4)
			f := l.deposit(l.organisation())
			job := l.export(f, "pdf")
			call := l.gate.Await(l.T, "a")
			l.ok(l.Engine.Store.Organisations.RemoveFile(l.Context(), f.ID))
			<-call.Ctx.Done()
			l.want(job, "error a=error:CONFLICT")
			_, err := l.Submit(l.Context(), l.User, engine.Submission{Tag: "pdf", File: f.ID, Tasks: gates("b")})
			l.code(err, engine.Conflict)
			l.holds(0)
		}},
	}
}

func workspaceCases() []graphCase {
	return []graphCase{
		{"a workspace is its owner's", func(l *lab) {
			l.start(1)
			add := func(owner engine.UserID, name string, remote []byte) (engine.Workspace, error) {
				return l.RegisterWorkspace(l.Context(), engine.Workspace{Owner: owner, Name: name, Home: "/srv/home", HomeAs: "/home/user"}, remote)
			}
			mine, err := add(l.User, "desk", []byte("secret"))
			l.ok(err)
			other := l.stranger()
			_, err = add(other, "desk", nil)
			l.ok(err)
			_, err = add(l.User, "desk", nil)
			l.code(err, engine.Conflict)
			for _, name := range []string{"", "a\nb", string(engine.NewID())} {
				_, err = add(l.User, name, nil)
				l.code(err, engine.Invalid)
			}
			for _, by := range []string{"desk", string(mine.ID)} {
				got, err := l.Engine.Store.Workspaces.Workspace(l.Context(), l.User, by)
				l.ok(err)
				if got.ID != mine.ID || got.Home != mine.Home || len(got.Remote) == 0 || strings.Contains(string(got.Remote), "secret") {
					l.Errorf("by %q: got %+v, want %+v", by, got, mine)
				}
			}
			_, err = l.Engine.Store.Workspaces.Workspace(l.Context(), other, string(mine.ID))
			l.code(err, engine.NotFound)
			l.ok(l.Engine.Store.Workspaces.RemoveWorkspace(l.Context(), mine.ID))
			l.code(l.Engine.Store.Workspaces.RemoveWorkspace(l.Context(), mine.ID), engine.NotFound)
			all, err := l.Engine.Store.Workspaces.Workspaces(l.Context())
			l.ok(err)
			if len(all) != 1 || all[0].Owner != other || all[0].Remote != nil {
				l.Errorf("left are %+v", all)
			}
		}},
	}
}

func (l *lab) organisation() engine.ID {
	l.Helper()
	o, err := l.CreateOrganisation(l.Context(), "acme", l.User)
	l.ok(err)
	return o.ID
}

// stranger is a member of nothing.
func (l *lab) stranger() engine.UserID {
	l.Helper()
	u, err := l.UserNamed(l.Context(), "stranger")
	l.ok(err)
	return u.ID
}

func (l *lab) deposit(organisation engine.ID) engine.StoredFile {
	l.Helper()
	f, err := l.Deposit(l.Context(), engine.Deposit{Organisation: organisation, Content: strings.NewReader("content")})
	l.ok(err)
	stored, err := l.StoredFile(l.Context(), l.User, f.ID)
	l.ok(err)
	return stored
}

// export makes a job about the file that waits at the gate.
func (l *lab) export(f engine.StoredFile, tag string) engine.Job {
	l.Helper()
	return l.exportWith(f, tag, gates("a")...)
}

func (l *lab) exportWith(f engine.StoredFile, tag string, tasks ...engine.TaskSpec) engine.Job {
	l.Helper()
	job, err := l.Submit(l.Context(), l.User, engine.Submission{Tag: tag, File: f.ID, Tasks: tasks})
	l.ok(err)
	return job
}
