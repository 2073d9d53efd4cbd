import CertificateStore
import DurableFile
import Glibc

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
        // A folder without a current generation is what a failed order left.
        return names.filter { name in
            (try? CertificateName(name)) != nil
                && access(settings.stateDirectory + "/certificates/" + name + "/current", F_OK) == 0
        }
    }
}
