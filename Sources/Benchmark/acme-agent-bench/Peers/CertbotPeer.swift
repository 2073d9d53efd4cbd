/// certbot.
final class CertbotPeer: IssuanceClient {
    let name = "certbot"
    private let field: IssuanceField
    private let folder: String

    init(field: IssuanceField) throws {
        self.field = field
        folder = field.workshop.folder + "/certbot"
        _ = try run(["register", "--agree-tos", "--register-unsafely-without-email"], trusting: .oneRoot)
    }

    func issue(_ names: [String], trusting store: TrustStore) throws -> Issuance {
        let run = try run(
            ["certonly", "--webroot", "-w", field.webroot.folder, "--key-type", "ecdsa"] + names.flatMap { ["-d", $0] }, trusting: store)
        return Issuance(wall: run.wall, cpu: run.cpu, memory: run.memory)
    }

    private func run(_ arguments: [String], trusting store: TrustStore) throws -> MeasuredRun {
        try field.run(
            ["certbot"] + arguments + [
                "--non-interactive", "--quiet", "--server", field.ca.directory, "--config-dir", folder, "--work-dir", folder + "/work",
                "--logs-dir", folder + "/logs",
            ], environment: store == .oneRoot ? ["REQUESTS_CA_BUNDLE": field.trust.oneRoot] : [:], trusting: store,
            isTold: store == .oneRoot)
    }
}
