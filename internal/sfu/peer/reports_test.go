package peer

import (
	"slices"
	"testing"
	"time"

	"github.com/pion/rtcp"

	"github.com/rollcall-rtc/rollcall/internal/sfu/bwe"
	"github.com/rollcall-rtc/rollcall/internal/sfu/downtrack"
)

// FuzzReports hands compound packets of RTCP to a connection that receives a track
// and sends one.
func FuzzReports(f *testing.F) {
	const received, sent, repairs = 9, 100, 101
	about := []rtcp.ReceptionReport{{SSRC: sent, FractionLost: 9, LastSequenceNumber: 1 << 16, LastSenderReport: 1, Delay: 2}}
	all := []rtcp.Packet{
		&rtcp.SenderReport{SSRC: received, NTPTime: 1 << 40, RTPTime: 7, Reports: about},
		&rtcp.ReceiverReport{SSRC: 1, Reports: about},
		&rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{Source: received, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: "c"}}}}},
		&rtcp.Goodbye{Sources: []uint32{received, sent}},
		&rtcp.TransportLayerNack{MediaSSRC: sent, Nacks: []rtcp.NackPair{{PacketID: 65535, LostPackets: 0xffff}}},
		&rtcp.PictureLossIndication{MediaSSRC: sent},
		&rtcp.FullIntraRequest{FIR: []rtcp.FIREntry{{SSRC: sent, SequenceNumber: 1}}},
		&rtcp.SliceLossIndication{MediaSSRC: sent, SLI: []rtcp.SLIEntry{{First: 1, Number: 2, Picture: 3}}},
		&rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: 1e6, SSRCs: []uint32{sent}},
		&rtcp.TransportLayerCC{
			Header:    rtcp.Header{Count: rtcp.FormatTCC, Type: rtcp.TypeTransportSpecificFeedback, Length: 5},
			MediaSSRC: sent, PacketStatusCount: 1,
			PacketChunks: []rtcp.PacketStatusChunk{&rtcp.RunLengthChunk{PacketStatusSymbol: rtcp.TypeTCCPacketReceivedSmallDelta, RunLength: 1}},
			RecvDeltas:   []*rtcp.RecvDelta{{Type: rtcp.TypeTCCPacketReceivedSmallDelta, Delta: 250}},
		},
		&rtcp.ExtendedReport{SenderSSRC: 1, Reports: []rtcp.ReportBlock{&rtcp.ReceiverReferenceTimeReportBlock{NTPTimestamp: 5}}},
	}
	var compound []byte
	for _, p := range all {
		b, err := p.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		f.Add(b[:len(b)-1])
		compound = append(compound, b...)
	}
	f.Add(compound)
	f.Fuzz(func(t *testing.T, b []byte) {
		s := newSorted(t, &mediaSection{mid: "cam", ssrcs: []uint32{received}})
		down := downtrack.New(downtrack.Options{Source: s.sections["cam"].up})
		defer down.Close()
		down.Bind(downtrack.Binding{
			SSRC: sent, PayloadType: ptMedia, Writer: s.packets.writer(sent),
			RTXSSRC: repairs, RTXPayloadType: ptRTX, RTX: s.packets.writer(repairs),
		})
		s.listen(down, sent, repairs)
		s.budget = &budget{starved: func(*Sender) {}}
		now := time.Now()
		s.budget.history.Store(bwe.NewHistory(now))
		s.budget.estimator = bwe.New(s.budget.history.Load(), now)
		defer s.budget.close()
		for seq := range uint16(3) {
			s.packet(received, ptMedia, 65534+seq, vp8Payload, nil)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.takeReports(slices.Clone(b))
	})
}
