package srtp

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func equal(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s is\n%x, want\n%x", what, got, want)
	}
}

func TestRFC3711KeyDerivation(t *testing.T) { // appendix B.3
	key := unhex(t, "E1F97A0D3E018BE0D64FA32C06DE4139")
	salt := unhex(t, "0EC675AD498AFEEBB6960B3AABE6")
	for _, v := range []struct {
		what  string
		label byte
		want  string
	}{
		{"cipher key", labelRTPKey, "C61E7A93744F39EE10734AFE3FF7A087"},
		{"cipher salt", labelRTPSalt, "30CBBC08863D8C85D49DB34A9AE1"},
		{"auth key", labelRTPAuth, "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"},
	} {
		want := unhex(t, v.want)
		got, err := derive(key, salt, v.label, len(want))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, v.what, got, want)
	}
}

func TestRFC3711KeyStream(t *testing.T) { // appendix B.2
	h, err := sessionHalf(AES128CMHMACSHA180, unhex(t, "2B7E151628AED2A6ABF7158809CF4F3C"),
		unhex(t, "F0F1F2F3F4F5F6F7F8F9FAFBFCFD"), make([]byte, 20))
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 0xff02*16)
	h.keyStream(new(Scratch), 0, 0).XORKeyStream(got, got)
	equal(t, "beginning", got[:48], unhex(t, `E03EAD0935C95E80E166B16DD92B4EB4
		D23513162B02D0F72A43A2FE4A5F97AB 41E95B3BB0A2E8DD477901E4FCA894C0`))
	equal(t, "end", got[0xfeff*16:], unhex(t, `EC8CDF7398607CB0F2D21675EA9EA1E4
		362B7C3C6773516318A077D7FC5073AE 6A2CC3787889374FBEB4C81B17BA6C44`))
}

var gcmKeys = map[Profile]string{
	AEADAES128GCM: "000102030405060708090a0b0c0d0e0f",
	AEADAES256GCM: "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
}

const gcmSalt = "517569642070726f2071756f"

func TestRFC7714RTP(t *testing.T) { // §16.1.1, §16.2.1
	plain := unhex(t, `8040f17b 8041f8d3 5501a0b2 47616c6c 69612065 7374206f 6d6e6973 20646976
		69736120 696e2070 61727465 73207472 6573`)
	for p, want := range map[Profile]string{
		AEADAES128GCM: `8040f17b 8041f8d3 5501a0b2 f24de3a3 fb34de6c acba861c 9d7e4bca be633bd5
			0d294e6f 42a5f47a 51c7d19b 36de3adf 8833899d 7f27beb1 6a9152cf 765ee439 0cce`,
		AEADAES256GCM: `8040f17b 8041f8d3 5501a0b2 32b1de78 a822fe12 ef9f78fa 332e33aa b1801238
			9a58e2f3 b50b2a02 76ffae0f 1ba63799 b87b7aa3 db36dfff d6b0f9bb 7878d7a7 6c13`,
	} {
		h, err := sessionHalf(p, unhex(t, gcmKeys[p]), unhex(t, gcmSalt), nil)
		if err != nil {
			t.Fatal(err)
		}
		s, o := &Sealer{profile: p, rtp: h}, &Opener{rtp: h}
		b := append(make([]byte, 0, 100), plain...)
		sealed := s.RTP(new(Scratch), b, 12, 0xf17b)
		equal(t, p.String(), sealed, unhex(t, want))
		opened, err := o.RTP(new(Scratch), sealed)
		if err != nil {
			t.Fatalf("%v: %v", p, err)
		}
		equal(t, p.String()+" opened", opened, plain)
	}
}

func TestRFC7714RTCP(t *testing.T) { // §17.1, §17.2
	plain := unhex(t, `81c8000d 4d617273 4e545031 4e545032 52545020 0000042a 0000e930 4c756e61
		deadbeef deadbeef deadbeef deadbeef deadbeef`)
	for p, want := range map[Profile]string{
		AEADAES128GCM: `81c8000d 4d617273 63e94885 dcdab67c a727d766 2f6b7e99 7ff5c0f7 6c06f32d
			c676a5f1 730d6fda 4ce09b46 86303ded 0bb9275b c84aa458 96cf4d2f c5abf872 45d9eade 800005d4`,
		AEADAES256GCM: `81c8000d 4d617273 d50ae4d1 f5ce5d30 4ba297e4 7d470c28 2c3ece5d bffe0a50
			a2eaa5c1 110555be 8415f658 c61de047 6f1b6fad 1d1eb30c 4446839f 57ff6f6c b26ac3be 800005d4`,
	} {
		h, err := sessionHalf(p, unhex(t, gcmKeys[p]), unhex(t, gcmSalt), nil)
		if err != nil {
			t.Fatal(err)
		}
		s, o := &Sealer{profile: p, rtcp: h}, &Opener{rtcp: h}
		s.rtcpIndex.Store(0x5d3)
		sealed := s.RTCP(new(Scratch), append(make([]byte, 0, 100), plain...))
		equal(t, p.String(), sealed, unhex(t, want))
		opened, err := o.RTCP(new(Scratch), sealed)
		if err != nil {
			t.Fatalf("%v: %v", p, err)
		}
		equal(t, p.String()+" opened", opened, plain)
	}
}

func TestRFC5764KeyingMaterialIsSplitByRole(t *testing.T) {
	material := make([]byte, AES128CMHMACSHA180.KeyingLen())
	for i := range material {
		material[i] = byte(i)
	}
	server, err := AES128CMHMACSHA180.Split(material, false)
	if err != nil {
		t.Fatal(err)
	}
	client, err := AES128CMHMACSHA180.Split(material, true)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "client key", client.LocalKey, material[:16])
	equal(t, "server key", server.LocalKey, material[16:32])
	equal(t, "client salt", client.LocalSalt, material[32:46])
	equal(t, "server salt", server.LocalSalt, material[46:60])
	equal(t, "the other's key", client.RemoteKey, server.LocalKey)
	equal(t, "the other's salt", server.RemoteSalt, client.LocalSalt)
	if _, err := AEADAES128GCM.Split(material, true); err == nil {
		t.Error("too much material was taken")
	}
	if _, err := Profile(2).Split(nil, true); err == nil {
		t.Error("an unknown profile was taken")
	}
}
