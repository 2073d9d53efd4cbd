import CertificateStore
import DurableFile

/// Names of certificates for a shell's completion, from the default store: no configuration is read at a press of a key that fails.
enum CertificateNameCompletion {
    static func names(_ arguments: [String], _ index: Int, _ prefix: String) -> [String] {
        var options = GlobalOptions.unset
        for (option, value) in zip(arguments, arguments.dropFirst()) {
            switch option {
            case "--config": options.config = value
            case "--state-directory": options.stateDirectory = value
            default: break
            }
        }
        guard let settings = try? Settings(options, environment: .current()),
            let names = try? DurableFile.names(in: settings.stateDirectory + "/certificates")
        else { return [] }
        return names.filter { (try? CertificateName($0)) != nil }
    }
}
