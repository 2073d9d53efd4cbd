/// uacme, which leaves challenges to a hook program.
final class UacmePeer: IssuanceClient {
    let name = "uacme"
    private let field: IssuanceField
    private let folder: String

    init(field: IssuanceField) throws {
        self.field = field
        folder = field.workshop.folder + "/uacme"
        try Files.makeFolder(folder)
        let hook = """
            #!/bin/sh
            case $1-$2 in
            begin-http-01) printf %s "$5" >'\(field.webroot.challenges)'/"$4" ;;
            done-http-01 | failed-http-01) rm -f '\(field.webroot.challenges)'/"$4" ;;
            *) exit 1 ;;
            esac
            """
        try Files.write(folder + "/hook", hook.utf8, mode: 0o700)
        _ = try run(["-y", "new"], trusting: .oneRoot)
    }

    func issue(_ names: [String], trusting store: TrustStore) throws -> Issuance {
        let run = try run(["-h", folder + "/hook", "issue"] + names, trusting: store)
        return Issuance(wall: run.wall, cpu: run.cpu, memory: run.memory)
    }

    /// It only knows the system's file of roots.
    private func run(_ arguments: [String], trusting store: TrustStore) throws -> MeasuredRun {
        try field.run(
            ["uacme", "-c", folder, "-a", field.ca.directory, "-t", "EC"] + arguments, trusting: store, isTold: false)
    }
}
