package bootstrap

import (
	_ "embed"
	"strings"
)

// localNVMeScript is what a node runs at every boot to keep what pods write on its local drives.
//
//go:embed local-nvme.sh
var localNVMeScript string

const (
	localNVMePath = "/var/lib/karpenter-oke/local-nvme.sh"
	// localNVMeUnit runs the script at later boots, at which cloud-init runs nothing. Kubelet and container runtime require it: with the
	// drives lost, a node would come back with less room than its pods were promised, and with their images and volumes gone.
	localNVMeUnit = `[Unit]
Description=Directories of pods on local NVMe drives
After=local-fs.target
Before=crio.service containerd.service kubelet.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/bash ` + localNVMePath + `
StandardError=journal+console

[Install]
RequiredBy=crio.service containerd.service kubelet.service
`
	localNVMeService = "karpenter-oke-local-nvme.service"
)

// writeLocalNVMe puts the directories of kubelet and container runtime on the local drives, now and at later boots. The first time the
// script runs as a part of this one, so that its words are on the console before those of the failure.
func writeLocalNVMe(b *strings.Builder, node Node) {
	if !node.LocalNVMe {
		return
	}
	unit := "/etc/systemd/system/" + localNVMeService
	b.WriteString(`mkdir -p /var/lib/karpenter-oke && chmod 0700 /var/lib/karpenter-oke && printf '%s' ` + shellQuote(localNVMeScript) + " >" + localNVMePath + ` &&
  printf '%s' ` + shellQuote(localNVMeUnit) + " >" + unit + ` || fail 'The script for local NVMe drives could not be written.'
bash ` + localNVMePath + ` || fail 'The local NVMe drives can not hold what pods write; the line above says why.'
systemctl daemon-reload && systemctl enable ` + localNVMeService + ` || fail 'The service for local NVMe drives could not be enabled.'
`)
}
