package sqlstore

import (
	"encoding/json"

	"github.com/gantry-engine/gantry/engine"
)

const (
	blobsSQL = `INSERT INTO blobs (id, dying) SELECT id, dying FROM {id id, dying int} AS r WHERE true ON CONFLICT DO NOTHING`

	filesSQL = `INSERT INTO files (id, task_id, arrived, pos, blob_id, name, dir, size, mime, sha256, md5, crc32c, link, inline, facts)
		SELECT id, task, arrived, pos, blob, name, dir, size, mime, sha256, md5, crc32c, link, inline, facts
		FROM {id id, task id, arrived int, pos int, blob id, name text, dir text, size int, mime text, sha256 text, md5 text,
			crc32c text, link int, inline int, facts text} AS r WHERE true`

	fileColumns = `f.id, f.blob_id, f.name, f.dir, f.size, f.mime, f.sha256, f.md5, f.crc32c, f.link, f.inline, f.facts`
)

// fileRecord is the row of a file: a reference of its own, so with an id of its own.
func fileRecord(task engine.ID, f engine.File, arrived, pos int) []any {
	var facts any
	if len(f.Facts) > 0 {
		b, _ := json.Marshal(f.Facts)
		facts = plain(string(b))
	}
	return []any{engine.NewID(), task, arrived, pos, text(string(f.Blob)), plain(f.Name), plain(f.Dir), f.Size, plain(f.MIME),
		f.SHA256, f.MD5, f.CRC32C, bit(f.Link), bit(f.Inline), facts}
}

// scanFile reads fileColumns; into are what follows them.
func scanFile(r rows, into ...any) (engine.File, error) {
	var f engine.File
	var blob, facts *string
	var link, inline int
	err := r.Scan(append([]any{&f.ID, &blob, &f.Name, &f.Dir, &f.Size, &f.MIME, &f.SHA256, &f.MD5, &f.CRC32C,
		&link, &inline, &facts}, into...)...)
	if err != nil {
		return f, err
	}
	if blob != nil {
		f.Blob = engine.BlobID(*blob)
	}
	f.Link, f.Inline = link == 1, inline == 1
	if facts != nil {
		err = json.Unmarshal([]byte(*facts), &f.Facts)
	}
	return f, err
}
