package httpapi

import (
	"context"
	"net/http"

	"github.com/livekit/protocol/livekit"
)

// ingressService is livekit.Ingress: it checks grants, and hands on. Its errors are
// mapped by mapErrors.
type ingressService struct {
	ingress Ingress // immutable
}

var _ livekit.Ingress = (*ingressService)(nil)

func (s *ingressService) CreateIngress(ctx context.Context, req *livekit.CreateIngressRequest) (*livekit.IngressInfo, error) {
	if err := claimsOf(ctx).CanAdminIngress(); err != nil {
		return nil, err
	}
	return s.ingress.Create(ctx, originOf(ctx), req)
}

func (s *ingressService) UpdateIngress(ctx context.Context, req *livekit.UpdateIngressRequest) (*livekit.IngressInfo, error) {
	if err := claimsOf(ctx).CanAdminIngress(); err != nil {
		return nil, err
	}
	return s.ingress.Update(ctx, req)
}

func (s *ingressService) ListIngress(ctx context.Context, req *livekit.ListIngressRequest) (*livekit.ListIngressResponse, error) {
	if err := claimsOf(ctx).CanAdminIngress(); err != nil {
		return nil, err
	}
	return s.ingress.List(ctx, req)
}

func (s *ingressService) DeleteIngress(ctx context.Context, req *livekit.DeleteIngressRequest) (*livekit.IngressInfo, error) {
	if err := claimsOf(ctx).CanAdminIngress(); err != nil {
		return nil, err
	}
	return s.ingress.Delete(ctx, req.IngressId)
}

type originKey struct{}

// withOrigin notes where the caller has found this server.
func withOrigin(ctx context.Context, r *http.Request) context.Context {
	scheme := "http://"
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https://"
	}
	return context.WithValue(ctx, originKey{}, scheme+r.Host)
}

func originOf(ctx context.Context) string {
	origin, _ := ctx.Value(originKey{}).(string)
	return origin
}
