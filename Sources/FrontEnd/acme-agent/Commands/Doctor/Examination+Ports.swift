import ACME
import CertificateStore
import Issuance

/// The ports at which challenges are answered, seen from this host.
extension Examination {
    /// Whether another program has a port that the built-in listeners need, and whether the web server answers that
    /// serves the files.
    func ports(_ reports: [CertificateReport]) async -> [Diagnosis] {
        var listeners: Set<ListenAddress> = [], webServers: Set<String> = []
        for report in reports where !report.certificate.isRevoked {
            guard let settings = try? settings(of: report.certificate.name) else { continue }
            for identifier in report.certificate.metadata.identifiers where !identifier.isWildcard {
                for method in settings.methods(for: identifier) {
                    switch method {
                    case .listener(let endpoints), .tlsListener(let endpoints):
                        for case .address(let address) in endpoints { listeners.insert(address) }
                    case .webroot: if webServers.count < Self.mostNames { webServers.insert(identifier.value) }
                    case .dnsHook, .dnsPersist, .dnsUpdate: break
                    }
                }
            }
        }
        let addresses = listeners.sorted { $0.description < $1.description }, hosts = webServers.sorted()
        let free = await PersistAttention.results(addresses, within: Self.patience) { await self.free($0) }
        let answering = await PersistAttention.results(hosts, within: Self.patience) { await self.answering($0) }
        return zip(addresses, free).map { $1 ?? .unknown(.ports, $0.description, "it was not found out in time") }
            + zip(hosts, answering).map { $1 ?? .unknown(.ports, $0, "it was not found out in time") }
    }

    private func free(_ address: ListenAddress) async -> Diagnosis {
        let everyAddress = ["0.0.0.0": "127.0.0.1", "::": "::1"]
        let host = everyAddress[address.address.text] ?? address.address.text
        guard await ChallengeView.obstacle(to: host, port: address.port) == nil else {
            return .ok(.ports, address.description, "is free for the built-in listener")
        }
        return .failed(
            .ports, address.description, "another program listens there, so the built-in listener cannot answer challenges",
            hint: "--webroot FOLDER if it is a web server; operations.md shows how nginx passes tls-alpn-01 on")
    }

    private func answering(_ host: String) async -> Diagnosis {
        let port = Int(ChallengeMethod.standardPort)
        guard let obstacle = await ChallengeView.obstacle(to: host, port: port) else {
            return .ok(.ports, "\(host):\(port)", "a web server answers")
        }
        return .failed(
            .ports, "\(host):\(port)", "nothing answers where the CA looks for the files of --webroot: \(obstacle)",
            hint: "start the web server, and let the name and the firewall lead to it; seen from this machine, behind a router it may "
                + "differ from what the CA sees")
    }
}
