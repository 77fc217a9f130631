// Package storage puts files into stores of objects: S3 and what speaks like it,
// Google Cloud Storage, Azure Blob Storage.
//
// A Target says where, and with which keys; Open checks it and makes a Store of
// it. Upload is one try, from where the last one stopped: what the store has is
// asked for, not remembered, and only what is missing is sent. It returns nil when
// the store has confirmed the whole object, and not before.
//
// A Target that a request named is dialled under the guard that Options hands in,
// and through no proxy but the request's own. Error texts never hold a key, a
// signed URL or what a store answered in words.
//
// It has no goroutine and no clock but that of signatures. It knows nothing of
// recordings.
package storage
