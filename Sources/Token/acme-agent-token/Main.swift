import BuildInformation
import TokenHelper

@main
struct Main {
    static func main() {
        let words = CommandLine.arguments.dropFirst()
        if BuildInformation.isWanted(by: words) {
            print(BuildInformation.current.json(program: "acme-agent-token"))
        } else if words.elementsEqual(["--version"]) {
            print("acme-agent-token \(BuildInformation.version)")
        } else {
            Helper.run(CommandLine.arguments)
        }
    }
}
