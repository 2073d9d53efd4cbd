import CertificateStore
import DurableFile
import Glibc

/// Names of certificates for shell completion, from the state directory of the command line, the environment or the
/// configuration. If these cannot be read, nothing is completed.
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
        // A failed order may leave a folder without a current generation.
        return names.filter { name in
            (try? CertificateName(name)) != nil
                && access(settings.stateDirectory + "/certificates/" + name + "/current", F_OK) == 0
        }
    }
}
