package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// read reads a part of an object.
func (o *Object) read(at, size int64) ([]byte, error) {
	b := make([]byte, size)
	if _, err := o.Body.ReadAt(b, at); err != nil && !(errors.Is(err, io.EOF) && size == 0) {
		return nil, fmt.Errorf("read the file: %w", err)
	}
	return b, nil
}

// pieceStep is the most that one Read of a piece gives, in bytes: so little that a
// slow connection is seen to move.
const pieceStep = 32 << 10

// piece is a part of an object on its way. It can be sent again from its beginning.
type piece struct {
	part  *bytes.Reader // not embedded: its WriteTo gives all at once
	moved func()
}

// piece has that part, which was read, sent.
func (o *Object) piece(part []byte) *piece {
	moved := o.Progress
	if moved == nil {
		moved = func() {}
	}
	return &piece{bytes.NewReader(part), moved}
}

// Read implements io.Reader.
func (p *piece) Read(b []byte) (int, error) {
	p.moved()
	return p.part.Read(b[:min(len(b), pieceStep)])
}

// Seek implements io.Seeker.
func (p *piece) Seek(offset int64, whence int) (int64, error) { return p.part.Seek(offset, whence) }
