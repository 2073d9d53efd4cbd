/// lego. Its first issuance also creates the account.
final class LegoPeer: IssuanceClient {
    let name = "lego"
    private let field: IssuanceField
    private let folder: String

    init(field: IssuanceField) throws {
        self.field = field
        folder = field.workshop.folder + "/lego"
        _ = try issue(field.ca.freshNames(), trusting: .oneRoot)
    }

    func issue(_ names: [String], trusting store: TrustStore) throws -> Issuance {
        let run = try field.run(
            [
                "lego", "--server", field.ca.directory, "--email", "bench@example.org", "--accept-tos", "--path", folder, "-k", "ec256",
                "--http",
                "--http.webroot", field.webroot.folder,
            ] + names.flatMap { ["--domains", $0] } + ["run"],
            environment: store == .oneRoot ? ["LEGO_CA_CERTIFICATES": field.trust.oneRoot] : [:], trusting: store,
            isTold: store == .oneRoot)
        return Issuance(wall: run.wall, cpu: run.cpu, memory: run.memory)
    }
}
