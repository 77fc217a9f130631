package peer

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"sync"

	"github.com/pion/dtls/v3"
	"github.com/pion/dtls/v3/pkg/crypto/prf"
	dtlsext "github.com/pion/dtls/v3/pkg/protocol/extension"
	"github.com/pion/dtls/v3/pkg/protocol/handshake"

	"github.com/rollcall-rtc/rollcall/internal/sfu/record"
	"github.com/rollcall-rtc/rollcall/internal/sfu/srtp"
)

// exporterLabel is that of RFC 5764 §4.2.
const exporterLabel = "EXTRACTOR-dtls_srtp"

var errNoKeys = errors.New("handshake without keys for media")

// handshakeKeys collects what the keys of SRTP and of records follow from, as pion's hooks
// tell it during a handshake: the ServerHello, and the line that it would write for a
// debugger. pion has the result and no way to get at it.
//
// We are the server wherever we answer. Where we offer, clients take that part that
// are made with pion and see a lite agent; then the ServerHello is theirs, and seen
// on its way to pion.
type handshakeKeys struct {
	mu           sync.Mutex
	clientRandom []byte       // mu guards
	serverRandom []byte       // mu guards
	master       []byte       // mu guards
	profile      srtp.Profile // mu guards
	suite        uint16       // mu guards
	client       bool         // mu guards; the other side is the server
}

// helloHook notes a ServerHello that is about to be sent.
func (k *handshakeKeys) helloHook(hello handshake.MessageServerHello) handshake.Message {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.client = false
	k.chosen(&hello)
	return &hello
}

// sawRecords looks for a ServerHello in records of the other side.
func (k *handshakeKeys) sawRecords(b []byte) {
	for one, rest, ok := record.Split(b); ok; one, rest, ok = record.Split(rest) {
		if record.IsServerHello(one) {
			k.serverHello(one)
		}
	}
}

// serverHello notes the one of the other side from a record. Nobody has proved yet
// that it is authentic: if it is not what pion gets, the keys do not fit.
func (k *handshakeKeys) serverHello(record []byte) {
	var hello handshake.MessageServerHello
	body, ok := wholeMessage(record)
	if !ok || hello.Unmarshal(body) != nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.serverRandom != nil {
		return // we are the server, or pion has the first
	}
	k.client = true
	k.chosen(&hello)
}

// wholeMessage is the body of the handshake message that a record begins with, if it
// is in one piece (RFC 6347 §4.2.2).
func wholeMessage(record []byte) (body []byte, ok bool) {
	const recordHeader, messageHeader = 13, 12
	if len(record) < recordHeader+messageHeader {
		return nil, false
	}
	uint24 := func(at int) int {
		return int(record[at])<<16 | int(record[at+1])<<8 | int(record[at+2])
	}
	length, offset, here := uint24(recordHeader+1), uint24(recordHeader+6), uint24(recordHeader+9)
	body = record[recordHeader+messageHeader:]
	if offset != 0 || here != length || length > len(body) {
		return nil, false
	}
	return body[:length], true
}

// chosen notes what the server of the handshake says. mu is held.
func (k *handshakeKeys) chosen(hello *handshake.MessageServerHello) {
	random := hello.Random.MarshalFixed()
	k.serverRandom = random[:]
	if hello.CipherSuiteID != nil {
		k.suite = *hello.CipherSuiteID
	}
	for _, e := range hello.Extensions {
		if use, ok := e.(*dtlsext.UseSRTP); ok && len(use.ProtectionProfiles) > 0 {
			k.profile = srtp.Profile(use.ProtectionProfiles[0])
		}
	}
}

// Write takes a line of a key log: CLIENT_RANDOM, the random, and the master
// secret. It implements io.Writer.
func (k *handshakeKeys) Write(line []byte) (int, error) {
	fields := bytes.Fields(line)
	if len(fields) != 3 || string(fields[0]) != "CLIENT_RANDOM" {
		return len(line), nil
	}
	random, err := hex.AppendDecode(nil, fields[1])
	if err != nil {
		return 0, err
	}
	master, err := hex.AppendDecode(nil, fields[2])
	if err != nil {
		return 0, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.clientRandom, k.master = random, master
	return len(line), nil
}

// export derives the keys once the handshake is complete, and forgets what
// they follow from.
func (k *handshakeKeys) export() (media srtp.Keys, data dataKeys, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.master == nil || k.serverRandom == nil || k.profile == 0 {
		return media, data, errNoKeys
	}
	hashOf, keyLen := func() hash.Hash { return sha256.New() }, 16
	if dtls.CipherSuiteID(k.suite) == dtls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 {
		hashOf, keyLen = sha512.New384, 32
	}
	block, err := prf.GenerateEncryptionKeys(k.master, k.clientRandom, k.serverRandom, 0, keyLen, record.SaltLen, hashOf)
	if err != nil {
		return media, data, fmt.Errorf("export keys: %w", err)
	}
	data = dataKeys{
		localKey: block.ServerWriteKey, localSalt: block.ServerWriteIV,
		remoteKey: block.ClientWriteKey, remoteSalt: block.ClientWriteIV,
	}
	if k.client {
		data = dataKeys{
			localKey: block.ClientWriteKey, localSalt: block.ClientWriteIV,
			remoteKey: block.ServerWriteKey, remoteSalt: block.ServerWriteIV,
			client: true,
		}
	}
	seed := append(append([]byte(exporterLabel), k.clientRandom...), k.serverRandom...)
	material, err := prf.PHash(k.master, seed, k.profile.KeyingLen(), hashOf)
	if err != nil {
		return media, data, fmt.Errorf("export keys: %w", err)
	}
	clear(k.master)
	k.master = nil
	media, err = k.profile.Split(material, k.client)
	return media, data, err
}

// dataKeys are those of the records with data: of what we send, and of what the
// client does.
type dataKeys struct {
	localKey, localSalt, remoteKey, remoteSalt []byte

	client bool // we are the client of the handshake
}
