// The flows of a file under SimGrid's fluid network model (s4u, SimGrid 3.32 of Debian 12).
//
//   simgrid FLOWS OUT
//
// FLOWS has a line "link RATE" (B/s) per link, numbered from 0, then a line per flow, numbered from 0:
// "flow SRC DST BYTES LINK,LINK,... PRED,PRED,..." with "-" for no predecessors. A flow starts when its
// last predecessor has ended, and all flows between the same two hosts take the same links. OUT gets
// the end of each flow in seconds, one a line; standard output one line of JSON.
//
// What makes SimGrid compute plain max-min fairness, which its defaults do not: model CM02 without
// its TCP window (TCP-gamma 0), without its factors on bandwidth and latency, without weights by
// round-trip time (links without latency, weight-S 0) and without acknowledgements on the way back
// (crosstraffic 0); and a resolution far below the nanosecond that it rounds times to otherwise.
// Every pair of hosts has its own route in one full zone, so that a file says which links a flow takes.

#include <chrono>
#include <cstdint>
#include <ctime>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

#include <simgrid/s4u.hpp>

namespace s4u = simgrid::s4u;

namespace {

struct Flow {
  int src = 0, dst = 0;
  std::uint64_t size_bytes = 0;
  std::vector<int> links, successors;
  int n_pending = 0;
  double end_s = -1;
  s4u::CommPtr comm;
};

std::vector<int> numbers(const std::string& list) {
  std::vector<int> result;
  if (list == "-") return result;
  std::istringstream in(list);
  for (std::string item; std::getline(in, item, ',');) result.push_back(std::stoi(item));
  return result;
}

class Run {
public:
  explicit Run(const std::string& path) {
    std::ifstream in(path);
    if (!in) throw std::runtime_error("cannot read " + path);
    for (std::string word; in >> word;) {
      if (word == "link") {
        double rate_Bps = 0;
        in >> rate_Bps;
        rates_Bps_.push_back(rate_Bps);
      } else {
        Flow flow;
        std::string links, preds;
        in >> flow.src >> flow.dst >> flow.size_bytes >> links >> preds;
        flow.links = numbers(links);
        for (int pred : numbers(preds)) {
          flows_.at(pred).successors.push_back(static_cast<int>(flows_.size()));
          ++flow.n_pending;
        }
        flows_.push_back(std::move(flow));
      }
      if (!in) throw std::runtime_error("cannot parse " + path);
    }
  }

  void build() {
    auto* zone = s4u::create_full_zone("fabric");
    std::vector<s4u::Link*> links;
    for (double rate_Bps : rates_Bps_) {
      const auto name = "link" + std::to_string(links.size());
      links.push_back(zone->create_link(name, rate_Bps)->set_latency(0)->seal());
    }
    std::set<std::pair<int, int>> routed;
    for (const Flow& flow : flows_) {
      for (int end : {flow.src, flow.dst})
        if (!hosts_.count(end)) hosts_[end] = zone->create_host("host" + std::to_string(end), 1e9)->seal();
      if (!routed.insert({flow.src, flow.dst}).second) continue;
      std::vector<s4u::LinkInRoute> route;
      for (int link : flow.links) route.emplace_back(links[link]);
      zone->add_route(hosts_[flow.src]->get_netpoint(), hosts_[flow.dst]->get_netpoint(), nullptr, nullptr,
                      route, false);
    }
    zone->seal();
  }

  double simulate() {
    s4u::Activity::on_completion_cb([this](const s4u::Activity& activity) { ended(activity); });
    const auto begin = std::chrono::steady_clock::now();
    for (std::size_t flow = 0; flow < flows_.size(); ++flow)
      if (flows_[flow].n_pending == 0) start(static_cast<int>(flow));
    s4u::Engine::get_instance()->run();
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }

  void write(const std::string& path) const {
    std::ofstream out(path);
    out.precision(17);
    for (const Flow& flow : flows_) out << flow.end_s << '\n';
  }

  std::size_t n_ended() const { return n_ended_; }
  std::size_t n_flows() const { return flows_.size(); }

private:
  void start(int index) {
    Flow& flow = flows_[index];
    flow.comm = s4u::Comm::sendto_init(hosts_[flow.src], hosts_[flow.dst]);
    flow.comm->set_payload_size(flow.size_bytes);
    index_of_[flow.comm.get()] = index;
    flow.comm->vetoable_start();
  }

  void ended(const s4u::Activity& activity) {
    const auto found = index_of_.find(&activity);
    if (found == index_of_.end()) return;
    const int index = found->second;
    index_of_.erase(found);
    Flow& flow = flows_[index];
    flow.end_s = s4u::Engine::get_clock();
    ++n_ended_;
    // SimGrid still holds the activity while it calls back; it is let go of a little later.
    spent_.push_back(std::move(flow.comm));
    if (spent_.size() > 1024) spent_.erase(spent_.begin(), spent_.begin() + 512);
    for (int successor : flow.successors)
      if (--flows_[successor].n_pending == 0) start(successor);
  }

  std::vector<double> rates_Bps_;
  std::vector<Flow> flows_;
  std::map<int, s4u::Host*> hosts_;
  std::unordered_map<const s4u::Activity*, int> index_of_;
  std::vector<s4u::CommPtr> spent_;
  std::size_t n_ended_ = 0;
};

long peak_memory_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmHWM:", 0) == 0) return std::stol(line.substr(6));
  return 0;
}

} // namespace

int main(int argc, char** argv) {
  s4u::Engine engine(&argc, argv);
  if (argc != 3) {
    std::cerr << "usage: simgrid FLOWS OUT\n";
    return 2;
  }
  for (const char* setting :
       {"network/model:CM02", "network/TCP-gamma:0", "network/bandwidth-factor:1", "network/latency-factor:1",
        "network/weight-S:0", "network/crosstraffic:0", "surf/precision:1e-12"})
    s4u::Engine::set_config(setting);
  static Run run(argv[1]); // static: SimGrid's own teardown comes later than the end of main
  run.build();
  const auto begin = std::clock();
  const double wall_s = run.simulate();
  const double cpu_s = static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
  run.write(argv[2]);
  if (run.n_ended() != run.n_flows()) {
    std::cerr << "simgrid: " << run.n_ended() << " of " << run.n_flows() << " flows ended\n";
    return 1;
  }
  std::cout << "{\"wall_s\": " << wall_s << ", \"cpu_s\": " << cpu_s << ", \"memory_bytes\": " << peak_memory_kib() * 1024 << "}" << std::endl;
  std::quick_exit(0); // the teardown of a large platform takes longer than some runs
}
