import ACME
import ACMEClient
import Issuance

/// Clients for the CAs that are asked during one round, one for each.
actor LookClients {
    private var clients: [String: (transport: AsyncHTTPTransport, client: ACMEClient)] = [:]
    /// For revocation lists.
    private var transports: [String: AsyncHTTPTransport] = [:]

    /// - Parameter remembered: a certificate's own root certificates for the CA.
    func client(
        for directory: ACMEURL, _ remembered: CertificateSettings.CACertificate?, _ session: Session
    ) throws -> ACMEClient {
        let id = "\(directory.text) \(remembered?.file ?? "")"
        if let known = clients[id] { return known.client }
        let transport = try session.transport(to: directory, remembered: remembered)
        let client = ACMEClient(directory: directory, transport: transport)
        clients[id] = (transport, client)
        return client
    }

    /// - Parameter directory: of the CA, for its root certificates.
    func transport(to url: RevocationListURL, of directory: ACMEURL, _ session: Session) throws -> AsyncHTTPTransport {
        let proxy = try session.settings.proxy(for: url.origin)
        let id = "\(directory.text) \(proxy?.description ?? "")"
        if let known = transports[id] { return known }
        let transport = try AsyncHTTPTransport(
            trustRoots: session.settings.trustRoots(for: directory), userAgent: Version.userAgent, proxy: proxy)
        transports[id] = transport
        return transport
    }

    func close() async {
        let open = clients.values.map(\.transport) + transports.values
        clients = [:]
        transports = [:]
        for transport in open { await transport.shutdown() }
    }
}
