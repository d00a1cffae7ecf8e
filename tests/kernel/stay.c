// SPDX-License-Identifier: MIT OR GPL-2.0
// Lets the machine's virtio devices stay as they are over a suspension: those of 9p would not come back.
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/pm.h>

static int __init stay_init(void)
{
	struct pci_dev *pdev = NULL;

	while ((pdev = pci_get_device(PCI_VENDOR_ID_REDHAT_QUMRANET, PCI_ANY_ID, pdev)))
		dev_pm_syscore_device(&pdev->dev, true);
	return 0;
}

static void __exit stay_exit(void) {}

module_init(stay_init);
module_exit(stay_exit);
MODULE_DESCRIPTION("Leaves virtio devices alone when the test machine is suspended");
MODULE_LICENSE("Dual MIT/GPL");
