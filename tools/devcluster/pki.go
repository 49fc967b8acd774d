package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const certificateLifetime = 10 * 365 * 24 * time.Hour

// authority is the certificate authority of one cluster: it signs the API server and its clients.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

// credentials is a certificate with its key, both in PEM.
type credentials struct{ certificate, key []byte }

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "devcluster"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(certificateLifetime),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	return &authority{certificate, key, encodePEM("CERTIFICATE", der)}, nil
}

// issue signs a certificate: for a server when it has addresses, else for a client.
func (a *authority) issue(name pkix.Name, dns []string, addresses []net.IP) (credentials, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return credentials{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return credentials{}, err
	}
	purpose := x509.ExtKeyUsageClientAuth
	if len(addresses) > 0 {
		purpose = x509.ExtKeyUsageServerAuth
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      name,
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(certificateLifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{purpose},
		DNSNames:     dns,
		IPAddresses:  addresses,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return credentials{}, err
	}
	encoded, err := encodeKey(key)
	if err != nil {
		return credentials{}, err
	}
	return credentials{encodePEM("CERTIFICATE", der), encoded}, nil
}

// writePKI fills the directory with everything the components need, and returns the administrator's
// credentials together with the authority's certificate.
func writePKI(dir string) (authorityPEM []byte, admin credentials, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, admin, fmt.Errorf("create %s: %w", dir, err)
	}
	ca, err := newAuthority()
	if err != nil {
		return nil, admin, fmt.Errorf("create the certificate authority: %w", err)
	}
	loopback := []net.IP{net.IPv4(127, 0, 0, 1), net.IPv4(10, 96, 0, 1)}
	names := []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"}
	server, err := ca.issue(pkix.Name{CommonName: "kube-apiserver"}, names, loopback)
	if err != nil {
		return nil, admin, fmt.Errorf("issue the server certificate: %w", err)
	}
	admin, err = ca.issue(pkix.Name{CommonName: "kubernetes-admin", Organization: []string{"system:masters"}}, nil, nil)
	if err != nil {
		return nil, admin, fmt.Errorf("issue the administrator's certificate: %w", err)
	}
	caKey, err := encodeKey(ca.key)
	if err != nil {
		return nil, admin, err
	}
	accountKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, admin, err
	}
	accountPEM, err := encodeKey(accountKey)
	if err != nil {
		return nil, admin, err
	}
	accountPublic, err := x509.MarshalPKIXPublicKey(accountKey.Public())
	if err != nil {
		return nil, admin, err
	}
	for name, content := range map[string][]byte{
		"ca.crt": ca.pem, "ca.key": caKey,
		"server.crt": server.certificate, "server.key": server.key,
		"service-accounts.key": accountPEM, "service-accounts.pub": encodePEM("PUBLIC KEY", accountPublic),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return nil, admin, fmt.Errorf("write %s: %w", name, err)
		}
	}
	return ca.pem, admin, nil
}

func encodeKey(key *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return encodePEM("PRIVATE KEY", der), nil
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
