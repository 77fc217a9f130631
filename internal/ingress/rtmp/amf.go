package rtmp

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Values of AMF0 are float64, bool, string, object, []any and nil. Dates are
// numbers; what has no use here is nil.

// object is an object of AMF0, in the order in which it is written.
type object []property

type property struct {
	name  string
	value any
}

func (o object) text(name string) string {
	for _, p := range o {
		if s, ok := p.value.(string); ok && p.name == name {
			return s
		}
	}
	return ""
}

func (o object) has(name string) bool {
	for _, p := range o {
		if p.name == name {
			return true
		}
	}
	return false
}

// Bounds on what a command may hold: commands of encoders have some twenty values.
const (
	maxDepth  = 8
	maxValues = 512
)

// amfReader reads values of AMF0.
type amfReader struct {
	b      []byte
	values int
}

// parseAMF reads all values of b.
func parseAMF(b []byte) (values []any, err error) {
	r := amfReader{b: b}
	for len(r.b) > 0 {
		v, err := r.value(0)
		if err != nil {
			return values, err
		}
		values = append(values, v)
	}
	return values, nil
}

func (r *amfReader) take(n int) ([]byte, error) {
	if n < 0 || n > len(r.b) {
		return nil, fmt.Errorf("%w: it ends within a value", ErrCommand)
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken, nil
}

func (r *amfReader) text(lengthBytes int) (string, error) {
	b, err := r.take(lengthBytes)
	if err != nil {
		return "", err
	}
	n := 0
	for _, c := range b {
		n = n<<8 | int(c)
	}
	b, err = r.take(n)
	return string(b), err
}

// value reads one (AMF0 §2).
func (r *amfReader) value(depth int) (any, error) {
	if r.values++; depth > maxDepth || r.values > maxValues {
		return nil, fmt.Errorf("%w: too many values", ErrCommand)
	}
	marker, err := r.take(1)
	if err != nil {
		return nil, err
	}
	switch marker[0] {
	case 0: // number
		return r.number()
	case 1: // boolean
		b, err := r.take(1)
		return err == nil && b[0] != 0, err
	case 2: // string
		return r.text(2)
	case 3: // object
		return r.object(depth)
	case 5, 6, 13: // null, undefined, unsupported
		return nil, nil
	case 7: // reference
		_, err := r.take(2)
		return nil, err
	case 8: // ECMA array: its length is a hint
		if _, err := r.take(4); err != nil {
			return nil, err
		}
		return r.object(depth)
	case 10: // strict array
		b, err := r.take(4)
		if err != nil {
			return nil, err
		}
		var all []any
		for n := binary.BigEndian.Uint32(b); n > 0; n-- {
			v, err := r.value(depth + 1)
			if err != nil {
				return nil, err
			}
			all = append(all, v)
		}
		return all, nil
	case 11: // date, and its time zone
		v, err := r.number()
		if err == nil {
			_, err = r.take(2)
		}
		return v, err
	case 12, 15: // long string, XML
		return r.text(4)
	case 16: // typed object
		if _, err := r.text(2); err != nil {
			return nil, err
		}
		return r.object(depth)
	}
	return nil, fmt.Errorf("%w: marker %d", ErrCommand, marker[0])
}

func (r *amfReader) number() (any, error) {
	b, err := r.take(8)
	if err != nil {
		return nil, err
	}
	return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
}

func (r *amfReader) object(depth int) (any, error) {
	o := object{}
	for {
		name, err := r.text(2)
		if err != nil {
			return nil, err
		}
		if name == "" && len(r.b) > 0 && r.b[0] == 9 {
			r.b = r.b[1:]
			return o, nil
		}
		v, err := r.value(depth + 1)
		if err != nil {
			return nil, err
		}
		o = append(o, property{name, v})
	}
}

// appendAMF appends values.
func appendAMF(b []byte, values ...any) []byte {
	for _, v := range values {
		switch v := v.(type) {
		case nil:
			b = append(b, 5)
		case bool:
			b = append(b, 1, 0)
			if v {
				b[len(b)-1] = 1
			}
		case float64:
			b = binary.BigEndian.AppendUint64(append(b, 0), math.Float64bits(v))
		case string:
			v = v[:min(len(v), math.MaxUint16)]
			b = append(binary.BigEndian.AppendUint16(append(b, 2), uint16(len(v))), v...)
		case []any:
			b = appendAMF(binary.BigEndian.AppendUint32(append(b, 10), uint32(len(v))), v...)
		case object:
			b = append(b, 3)
			for _, p := range v {
				b = append(binary.BigEndian.AppendUint16(b, uint16(len(p.name))), p.name...)
				b = appendAMF(b, p.value)
			}
			b = append(b, 0, 0, 9)
		default:
			panic(fmt.Sprintf("BUG: no AMF0 of %T", v))
		}
	}
	return b
}
